//! Artifacts of another format, compressed by Zstandard.

use std::io;
use std::marker::PhantomData;
use std::path::Path;

use ::zstd::{Decoder, Encoder};

use super::{Format, compressed};
use crate::BoxError;
use crate::plan::matcher::OfTheLibrary;

/// The level that the program `zstd` takes unless told otherwise.
const LEVEL: i32 = 3;

/// An artifact in the format `F`, compressed as `zstd` does, with one file (feature `zstd`): `Zstd<Json<Vec<f64>>>`, `Zstd<Text>`. It is
/// faster than [`Gz`](super::Gz), and its files are smaller.
///
/// It loads and saves what `F` does. Equal files of `F` give equal bytes: there is neither name nor time in the file, and the level of compression,
/// 3, is fixed. A checksum is in it. Another version of the crate `zstd` may compress to other bytes, after which what reads a result that is made again runs again.
///
/// The value is written to a file and compressed from there, and decompressed to the folder for temporary files of the system.
///
/// ```standalone_crate
/// use pylightnix::lens::format::Zstd;
/// use pylightnix::prelude::*;
///
/// #[derive(Config)]
/// struct Words {
///     #[selfref("words.txt.zst")]
///     out: SelfRef<Zstd<Text>>,
/// }
///
/// #[stage]
/// fn words(b: &Build<Words>) -> Result<WordsOutputs> {
///     Ok(WordsOutputs { out: b.out.save(&"word ".repeat(10_000))? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let words = store.realize(&instantiate(Words::new())?)?;
/// assert_eq!(words.out.load()?.len(), 50_000);
/// assert!(std::fs::metadata(words.out.path())?.len() < 1000);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Zstd<F>(PhantomData<fn() -> F>);

impl<F: Format> Format for Zstd<F> {
    type Value = F::Value;
    type View = F::View;

    fn read(path: &Path) -> Result<F::Value, BoxError> {
        compressed::read::<F>(path, |from, to| {
            io::copy(&mut Decoder::with_buffer(from)?, to)
        })
    }

    fn write(value: &F::View, path: &Path) -> Result<(), BoxError> {
        compressed::write::<F>(value, path, |from, to| {
            let mut to = Encoder::new(to, LEVEL)?;
            to.include_checksum(true)?;
            io::copy(from, &mut to)?;
            to.finish()
        })
    }

    fn reads_one_file(library: OfTheLibrary) -> bool {
        F::reads_one_file(library)
    }
}
