//! Artifacts of another format, compressed.

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use super::Format;
use crate::plan::matcher::OfTheLibrary;
use crate::store::regular::open_regular;
use crate::{BoxError, Error};

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
        let plain = Plain(std::env::temp_dir().join(format!("pylightnix-{}", Uuid::now_v7())));
        let from = BufReader::new(open_regular(path)?.0);
        let mut to = BufWriter::new(File::create_new(&plain.0)?);
        io::copy(&mut MultiGzDecoder::new(from), &mut to)?;
        // Dropping a `BufWriter` ignores the error of the last write.
        to.into_inner()?;
        F::read(&plain.0)
    }

    fn write(value: &F::View, path: &Path) -> Result<(), BoxError> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", Uuid::now_v7()));
        let plain = Plain(beside.into());
        F::write(value, &plain.0)?;
        if plain.0.is_dir() {
            fs::remove_dir_all(&plain.0).map_err(|error| Error::io("remove", &plain.0, error))?;
            return Err("its format writes a folder, and only a file can be compressed".into());
        }
        let mut from = open_regular(&plain.0)?.0;
        // Neither a name nor a time is in it.
        let mut to = GzEncoder::new(BufWriter::new(File::create(path)?), Compression::new(6));
        io::copy(&mut from, &mut to)?;
        to.finish()?.into_inner()?;
        Ok(())
    }

    fn reads_one_file(library: OfTheLibrary) -> bool {
        F::reads_one_file(library)
    }
}

/// A file that is removed at the end.
struct Plain(PathBuf);

impl Drop for Plain {
    fn drop(&mut self) {
        // Best effort: it lies in the folder of a failed build then, or in that for temporary files.
        let _ = fs::remove_file(&self.0);
    }
}
