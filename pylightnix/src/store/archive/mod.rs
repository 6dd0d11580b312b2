//! Archives: realizations in a zip file, for transfer between stores.
//!
//! An archive contains realizations with all their dependencies. Entries have the same paths as below `store-v1`, in this
//! order: for each derivation, sorted, `config.json`; for each of its realizations, sorted, `record`, the build records and
//! logs, the folder `out/`, its folders and files, its links. Times and modes are fixed, so that equal realizations with equal
//! build records result in equal bytes. Files and logs are deflated where that helps. Other entries are stored, because they
//! are read into memory and no record limits their size: this way they cannot exceed the size of the archive. The size of a log
//! is that in its header, and counts when free space is checked.
//!
//! Unpacking does not trust its input. [`frame`] accepts a zip file only if every byte is accounted for. [`inventory`] accepts
//! only entries that the records require. [`stage`] writes them to a staging folder and verifies their hashes. Only then
//! everything is published, dependencies first.

mod content;
mod deflate;
mod entry;
mod file;
mod frame;
mod inventory;
pub(in crate::store) mod members;
mod pack;
mod stage;
mod unpack;
pub(in crate::store) mod writer;

use std::path::Path;

use crate::config::RRefId;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

pub use file::ArchiveFile;
pub use pack::{Pack, Packed};
pub use unpack::Unpack;

/// The Unix modes of archive entries.
pub(in crate::store) const FILE_MODE: u32 = 0o100_444;
pub(in crate::store) const EXECUTABLE_MODE: u32 = 0o100_555;
pub(in crate::store) const FOLDER_MODE: u32 = 0o040_555;
const LINK_MODE: u32 = 0o120_777;

/// The folder of the texts of code, and that of the texts of its items.
const CODE: &str = "code";
const CODE_ITEMS: &str = "code/.items";

impl Store {
    /// Packs realizations with all their dependencies into a zip file. Replaces an existing archive atomically, and refuses to
    /// replace any other file; writes to a pipe or a device directly. Does not sync the file if durability is `None`. See
    /// [`Pack`] for options.
    ///
    /// # Errors
    /// Fails if a realization is not in the store, is damaged, or violates a rule of publication, or if a system call fails.
    pub fn pack<R: AsRef<RRefId>>(
        &self,
        roots: impl IntoIterator<Item = R>,
        archive: impl AsRef<Path>,
    ) -> Result<()> {
        Pack::new(self).write(roots, archive).map(drop)
    }

    /// Publishes the content of an archive, and returns the references of all realizations in it, dependencies first, including
    /// those that the store already has. See [`Unpack`] for options.
    ///
    /// # Errors
    /// Fails without changing the store if the archive is not exactly what [`pack`](Self::pack) writes; the message names the
    /// offending entry. The same holds if a realization violates a rule of publication, if one that the store already has is
    /// damaged there, or if there is too little free disk space. Also fails if a system call fails.
    pub fn unpack(&self, archive: impl AsRef<Path>) -> Result<Vec<RRefId>> {
        Unpack::new(self).read(archive)
    }
}

/// Whether a file begins as an archive of realizations does.
pub(in crate::store) fn is_archive_file(file: &std::fs::File) -> bool {
    use std::os::unix::fs::FileExt as _;

    let mut start = vec![0; pack::LONGEST_START as usize];
    let read = file.read_at(&mut start, 0);
    read.is_ok_and(|read| pack::is_archive(&start[..read]))
}

/// Returns the error for a malformed archive.
fn refused(archive: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::Archive,
        format!("the archive {} is refused: {why}", archive.display()),
    )
    .at(archive)
    .with_help(
        "nothing of it was published: get it again from where it comes from, or pack it anew",
    )
}

/// Returns the error for a malformed entry; `why` is a predicate.
fn refused_entry(archive: &Path, entry: &str, why: &str) -> Error {
    refused(archive, &format!("its entry {entry:?} {why}"))
}
