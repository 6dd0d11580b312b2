//! Realizations in a zip file, to carry them from one store to another.
//!
//! An archive holds some realizations with all that they were made from. Its entries are called as in the store, below
//! `store-v1`. For each derivation, sorted: `config.json`, then each of its realizations, sorted: `record`, the build
//! records and logs, the folder `out/`, its folders and files, its links. Times and modes are fixed, so that the same
//! realizations with the same build records make the same bytes. Files and logs are deflated where that helps.
//! Everything else is stored, because no record tells how long it is and it is read into memory: so it cannot grow beyond the
//! archive's own length. A log is as long as its entry says, and counts when room is looked for.
//!
//! Unpacking trusts nothing. [`frame`] takes a zip file only if every byte of it is accounted for; [`inventory`] takes
//! only entries that the records in it call for; [`stage`] writes them beside the store's objects while it hashes them;
//! only then anything is published, dependencies first.

mod content;
mod deflate;
mod entry;
mod file;
mod frame;
mod inventory;
mod pack;
mod stage;
mod unpack;
mod writer;

use std::path::Path;

use crate::config::RRefId;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

pub use file::ArchiveFile;
pub use pack::{Pack, Packed};
pub use unpack::Unpack;

/// The modes that entries have, as archives carry them.
const FILE_MODE: u32 = 0o100_444;
const EXECUTABLE_MODE: u32 = 0o100_555;
const FOLDER_MODE: u32 = 0o040_555;
const LINK_MODE: u32 = 0o120_777;

impl Store {
    /// Writes these realizations and all that they were made from into a zip file. One that is there is replaced when the
    /// new one is whole, and nothing else is; what is no file but a pipe or a device is written into. With durability `none` it is not synced. [`Pack`] has the options.
    ///
    /// # Errors
    /// A realization that is not in the store or whose artifacts are not what its record says, or that publishing would
    /// refuse, a refusal of the system.
    pub fn pack<R: AsRef<RRefId>>(
        &self,
        roots: impl IntoIterator<Item = R>,
        archive: impl AsRef<Path>,
    ) -> Result<()> {
        Pack::new(self).write(roots, archive).map(drop)
    }

    /// Publishes what an archive holds, and returns the references of all realizations in it, dependencies first, also
    /// those that were in the store already. [`Unpack`] has the options.
    ///
    /// # Errors
    /// An archive that is not exactly what [`pack`](Self::pack) writes, down to the last hash, with the entry named, or one
    /// whose realizations publishing would refuse; one that has more in it than is free on the disk; a realization that is
    /// damaged in the store already: the store is then as it was. A refusal of the system.
    pub fn unpack(&self, archive: impl AsRef<Path>) -> Result<Vec<RRefId>> {
        Unpack::new(self).read(archive)
    }
}

/// An archive that is not what it should be.
fn refused(archive: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::Archive,
        format!("the archive {} is refused: {why}", archive.display()),
    )
    .at(archive)
    .help("nothing of it was published: get it again from where it comes from, or pack it anew")
}

/// The same for one of its entries; `why` goes on after its name.
fn refused_entry(archive: &Path, entry: &str, why: &str) -> Error {
    refused(archive, &format!("its entry {entry:?} {why}"))
}
