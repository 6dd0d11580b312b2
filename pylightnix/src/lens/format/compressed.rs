//! Reading and writing what another format writes through a file that is compressed.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use uuid::Uuid;

use super::Format;
use crate::store::regular::open_regular;
use crate::{BoxError, Error};

/// Decompresses the file at `path` to one among the temporary files, and reads that.
pub(super) fn read<F: Format>(
    path: &Path,
    decompress: impl FnOnce(BufReader<File>, &mut BufWriter<File>) -> io::Result<u64>,
) -> Result<F::Value, BoxError> {
    let plain = Plain(std::env::temp_dir().join(format!("pylightnix-{}", Uuid::now_v7())));
    let from = BufReader::new(open_regular(path)?.0);
    let mut to = BufWriter::new(File::create_new(&plain.0)?);
    decompress(from, &mut to)?;
    // Dropping a `BufWriter` ignores the error of the last write.
    to.into_inner()?;
    F::read(&plain.0)
}

/// Writes a value to a file beside `path`, and compresses that to `path`.
pub(super) fn write<F: Format>(
    value: &F::View,
    path: &Path,
    compress: impl FnOnce(&mut File, BufWriter<File>) -> io::Result<BufWriter<File>>,
) -> Result<(), BoxError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", Uuid::now_v7()));
    let plain = Plain(beside.into());
    F::write(value, &plain.0)?;
    if plain.0.is_dir() {
        fs::remove_dir_all(&plain.0).map_err(|error| Error::io("remove", &plain.0, error))?;
        return Err("its format writes a folder, and only a file can be compressed".into());
    }
    let mut from = open_regular(&plain.0)?.0;
    compress(&mut from, BufWriter::new(File::create(path)?))?.into_inner()?;
    Ok(())
}

/// A file that is removed at the end.
struct Plain(PathBuf);

impl Drop for Plain {
    fn drop(&mut self) {
        // Best effort: it lies in the folder of a failed build then, or in that for temporary files.
        let _ = fs::remove_file(&self.0);
    }
}
