//! Artifacts of another format, compressed by gzip.

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io;
use std::marker::PhantomData;
use std::path::Path;

use super::{Format, compressed};
use crate::BoxError;
use crate::plan::matcher::OfTheLibrary;

/// An artifact in the format `F`, compressed as `gzip` does, with one file: `Gz<Json<Vec<f64>>>`, `Gz<Text>`.
///
/// It loads and saves what `F` does. Equal files of `F` give equal bytes: there is no name and no time in the file, and the level of compression
/// is fixed. Another version of the library may compress to other bytes, after which what reads a result that is made again runs again.
///
/// The value is written to a file and compressed from there, and decompressed to the folder for temporary files of the system.
///
/// ```standalone_crate
/// use pylightnix::lens::format::Gz;
/// use pylightnix::prelude::*;
///
/// #[derive(Config)]
/// struct Words {
///     #[selfref("words.txt.gz")]
///     out: SelfRef<Gz<Text>>,
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
pub struct Gz<F>(PhantomData<fn() -> F>);

impl<F: Format> Format for Gz<F> {
    type Value = F::Value;
    type View = F::View;

    fn read(path: &Path) -> Result<F::Value, BoxError> {
        compressed::read::<F>(path, |from, to| {
            io::copy(&mut MultiGzDecoder::new(from), to)
        })
    }

    fn write(value: &F::View, path: &Path) -> Result<(), BoxError> {
        compressed::write::<F>(value, path, |from, to| {
            // Neither a name nor a time is in it.
            let mut to = GzEncoder::new(to, Compression::new(6));
            io::copy(from, &mut to)?;
            to.finish()
        })
    }

    fn reads_one_file(library: OfTheLibrary) -> bool {
        F::reads_one_file(library)
    }
}
