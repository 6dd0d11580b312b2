//! The formats of artifacts.

mod json;
#[cfg(feature = "npy")]
mod npy;
mod plain;

use std::path::Path;

use crate::BoxError;

pub use json::Json;
#[cfg(feature = "npy")]
pub use npy::Npy;
pub use plain::{Bytes, Text};

/// How an artifact is written and read.
///
/// A format is a type that is only named, never made:
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
    note = "formats are `Text`, `Bytes`, `Json<T>`, `Npy<T>` (feature `npy`) and your own types that implement `Format`",
    note = "an artifact without a format is an opaque file or folder: write it at `path()` and return `written()?`"
)]
pub trait Format: 'static {
    /// What `load` gives.
    type Value;
    /// What `save` takes a reference to: often the same, else what `Value` borrows as (`str` for a `String`).
    type View: ?Sized;

    /// Reads the artifact at `path`.
    ///
    /// # Errors
    /// Any error; the library adds the stage, the artifact and the path.
    fn read(path: &Path) -> Result<Self::Value, BoxError>;

    /// Writes the artifact at `path`.
    ///
    /// # Errors
    /// Any error; the library adds the stage, the artifact and the path.
    fn write(value: &Self::View, path: &Path) -> Result<(), BoxError>;
}

/// No format: a file or folder that the stage writes, and its consumers read, by path.
#[derive(Clone, Copy, Debug)]
pub enum Opaque {}
