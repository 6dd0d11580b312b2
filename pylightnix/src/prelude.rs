//! All that an experiment usually needs: `use pylightnix::prelude::*;`.

#[cfg(feature = "npy")]
pub use crate::lens::format::Npy;
pub use crate::lens::format::{Bytes, Format, Json, Opaque, Text};
pub use crate::lens::{Build, Config, Failure, Many, One, RRef, SelfRef, Try};
pub use crate::plan::matcher::{
    Choice, Matcher, all, exact, exact_many, highest, highest_n, latest, latest_n, lowest,
    lowest_n, only, pick, pick_many, some,
};
pub use crate::plan::{DRef, RefPath, Stage, Track, instantiate};

pub use crate::realize::Realize;
pub use crate::store::Store;
pub use pylightnix_macros::{Config, stage, track};

/// What stages and experiments return: `?` takes any error.
pub type Result<T, E = crate::BoxError> = std::result::Result<T, E>;
