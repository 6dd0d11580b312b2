//! The items that an experiment usually needs: `use pylightnix::prelude::*;`.
//!
//! The matchers are not included, because their names are short words that occur in other preludes too. `#[stage(matcher =
//! latest())]` resolves them without an import; elsewhere write `matcher::latest()`. If two preludes export the same name,
//! an explicit import takes precedence over a glob import: `use pylightnix::prelude::Text;`.

#[cfg(feature = "csv")]
pub use crate::lens::format::Csv;
#[cfg(feature = "npy")]
pub use crate::lens::format::Npy;
pub use crate::lens::format::{Bytes, Format, Json, Opaque, Text};
pub use crate::lens::{Build, Config, Failure, Many, One, RRef, SelfRef, Try};
pub use crate::plan::matcher::{self, Choice, Matcher};
pub use crate::plan::{DRef, RefPath, Stage, Track, instantiate};

pub use crate::experiment::{ParamEnum, Params, Run};
pub use crate::realize::Realize;
pub use crate::store::Store;
pub use crate::{stage, track};

/// The result type of stages and experiments: `?` converts any error.
pub type Result<T, E = crate::BoxError> = std::result::Result<T, E>;
