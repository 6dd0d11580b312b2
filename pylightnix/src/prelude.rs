//! All that an experiment usually needs: `use pylightnix::prelude::*;`.
//!
//! The matchers are not in it, as their names are short words of other preludes too. `#[stage(matcher = latest())]` knows them
//! without an import; elsewhere they are `matcher::latest()`. Of two types of one name in two preludes, say which is meant by
//! an import of its own, which goes before those by `*`: `use pylightnix::prelude::Text;`.

#[cfg(feature = "npy")]
pub use crate::lens::format::Npy;
pub use crate::lens::format::{Bytes, Format, Json, Opaque, Text};
pub use crate::lens::{Build, Config, Failure, Many, One, RRef, SelfRef, Try};
pub use crate::plan::matcher::{self, Choice, Matcher};
pub use crate::plan::{DRef, RefPath, Stage, Track, instantiate};

pub use crate::realize::Realize;
pub use crate::store::Store;
pub use crate::{stage, track};

/// What stages and experiments return: `?` takes any error.
pub type Result<T, E = crate::BoxError> = std::result::Result<T, E>;
