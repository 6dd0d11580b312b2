//! The formats of artifacts.
//!
//! Each is deterministic: equal values are equal files in every process, so that what reads a result that came out as before need not run again. `load`
//! gives back what `save` took, or `save` refuses it and says why.

#[cfg(any(feature = "postcard", feature = "toml"))]
mod canonical;
mod compressed;
#[cfg(feature = "csv")]
mod csv;
mod gz;
mod json;
#[cfg(feature = "npy")]
mod npy;
#[cfg(feature = "npz")]
mod npz;
pub(in crate::lens) mod parts;
mod plain;
#[cfg(feature = "postcard")]
mod postcard;
#[cfg(feature = "toml")]
mod toml;
#[cfg(feature = "zstd")]
mod zstd;

use std::path::Path;

use crate::BoxError;
use crate::plan::matcher::OfTheLibrary;

#[cfg(feature = "csv")]
pub use csv::Csv;
pub use gz::Gz;
pub use json::Json;
#[cfg(feature = "npy")]
pub use npy::Npy;
#[cfg(feature = "npz")]
pub use npz::{AnyArray, Npz, NpzCompressed};
pub use parts::{Parts, PartsIter, PartsReader};
pub use plain::{Bytes, Text};
#[cfg(feature = "postcard")]
pub use postcard::Postcard;
#[cfg(feature = "toml")]
pub use toml::Toml;
#[cfg(feature = "zstd")]
pub use zstd::Zstd;

/// A file format of artifacts.
///
/// A format is a type without values:
///
/// ```
/// use pylightnix::{BoxError, prelude::*};
/// use std::path::Path;
///
/// /// Numbers, one on a line.
/// pub enum Lines {}
///
/// impl Format for Lines {
///     type Value = Vec<i64>;
///     type View = [i64];
///
///     fn read(path: &Path) -> Result<Vec<i64>, BoxError> {
///         std::fs::read_to_string(path)?.lines().map(|line| Ok(line.parse()?)).collect()
///     }
///
///     fn write(value: &[i64], path: &Path) -> Result<(), BoxError> {
///         let lines: Vec<_> = value.iter().map(|n| format!("{n}\n")).collect();
///         Ok(std::fs::write(path, lines.concat())?)
///     }
/// }
///
/// #[derive(Config)]
/// pub struct Numbers {
///     #[selfref("numbers.txt")]
///     pub out: SelfRef<Lines>,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the format of an artifact",
    label = "not a format",
    note = "formats are `Text`, `Bytes`, `Json<T>`, those of `lens::format`, each with a feature, and your own types that implement `Format`",
    note = "an artifact without a format is an opaque file or folder: write it at `path()` and return `written()?`"
)]
pub trait Format: 'static {
    /// The type that `load` returns.
    type Value;
    /// The type that `save` takes by reference: often `Value`, or a borrowed form of it (`str` for `String`).
    type View: ?Sized;

    /// Reads the artifact at `path`.
    ///
    /// # Errors
    /// The file cannot be read or parsed. The library adds the stage, the artifact and the path to the error.
    fn read(path: &Path) -> Result<Self::Value, BoxError>;

    /// Writes the artifact to `path`.
    ///
    /// # Errors
    /// The value cannot be represented or written. The library adds the stage, the artifact and the path to the error.
    fn write(value: &Self::View, path: &Path) -> Result<(), BoxError>;

    /// Returns whether `read` reads the file at `path` and nothing beside it, so that a stage which loads an artifact has looked at
    /// this artifact alone.
    ///
    /// Only formats of this library can return `true`, because a wrong answer would silently give stale results.
    #[doc(hidden)]
    fn reads_one_file(_: OfTheLibrary) -> bool {
        false
    }
}

/// No format: a file or folder that the stage writes, and consumers read, by path.
#[derive(Clone, Copy, Debug)]
pub enum Opaque {}
