//! Open archives.

use rustix::fs::OFlags;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::refused;
use super::unpack::examine;
use crate::config::RRefId;
use crate::store::Store;
use crate::store::disk::spool::spooled;
use crate::{Error, Result};

/// An open archive, which stays the same if its path is changed.
///
/// ```
/// # use pylightnix::store::{ArchiveFile, Store, Unpack};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("store"))?;
/// # let archive = folder.path().join("results.zip");
/// # store.pack([] as [pylightnix::config::RRefId; 0], &archive)?;
/// let archive = ArchiveFile::open(&archive)?;
/// let other = folder.path().join("other");
/// // Creates nothing if the archive is rejected.
/// let inside = archive.check(None, &other)?;
/// assert_eq!(Unpack::new(&Store::open(other)?).read_file(&archive)?, inside);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ArchiveFile {
    pub(super) file: File,
    /// The name in error messages.
    pub(super) path: PathBuf,
}

impl ArchiveFile {
    /// Opens the archive at `path`.
    ///
    /// # Errors
    /// There is none, it is not a regular file, or the system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(ArchiveFile {
            file: open(path)?,
            path: path.to_owned(),
        })
    }

    /// Reads an archive from a stream, which error messages call `name`. Archives are read from their ends, so the stream is
    /// first copied to an unnamed file, in the folder of `store` or else in the system's temporary folder.
    ///
    /// # Errors
    /// Fails if the stream cannot be read, or if a system call fails.
    pub fn from_stream(
        from: impl Read,
        name: impl AsRef<Path>,
        store: Option<&Store>,
    ) -> Result<Self> {
        let path = name.as_ref().to_owned();
        let folder = match store {
            Some(store) => store.layout().tmp(),
            None => std::env::temp_dir(),
        };
        let file = spooled(from, &path, &folder)?;
        Ok(ArchiveFile { file, path })
    }

    /// Verifies the archive completely without a store: whether a store at `place` could unpack it, with at most `max_size`
    /// bytes or the free disk space there. Returns the references of all realizations in it, dependencies first.
    ///
    /// # Errors
    /// As [`Store::unpack`].
    pub fn check(&self, max_size: Option<u64>, place: impl AsRef<Path>) -> Result<Vec<RRefId>> {
        examine(&self.file, &self.path, max_size, place.as_ref())
    }
}

impl fmt::Debug for ArchiveFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArchiveFile").field(&self.path).finish()
    }
}

/// Opens an archive.
fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        // `NONBLOCK`, so that opening a pipe without a writer does not block; it is rejected below.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| Error::io("open", path, error))?;
    let found = file
        .metadata()
        .map_err(|error| Error::io("look at", path, error))?;
    match found.is_file() {
        true => Ok(file),
        false => Err(refused(path, "it is not a regular file")),
    }
}
