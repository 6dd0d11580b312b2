//! Giving a file a second path without copying its bytes.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::store::disk::below::{create_file, open_file};
use crate::store::disk::system::share_blocks;

/// How a file got its second path.
pub(in crate::store) enum Shared {
    /// As a hard link: both paths lead to one inode. Only the folder has to be synced.
    Linked,
    /// As a file of its own that shares the blocks. It has default permissions, and has to be synced.
    Cloned(File),
    /// Not at all: this file has to be copied.
    Not,
}

/// Whether the file system of a store can share blocks between files. Assumed until an attempt fails, as asking costs as much.
pub(in crate::store) struct CanShareBlocks(AtomicBool);

impl CanShareBlocks {
    pub(in crate::store) fn assumed() -> Self {
        CanShareBlocks(AtomicBool::new(true))
    }

    pub(in crate::store) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Gives the file at `from` the unused path `to` on the same file system: as a reflink where that is possible, else as a hard
/// link.
///
/// Costs one system call for a hard link, and four for a reflink.
pub(in crate::store) fn share(
    from: &Path,
    to: &Path,
    reflinks: &CanShareBlocks,
) -> io::Result<Shared> {
    if reflinks.get()
        && let Some(file) = clone_of(from, to, reflinks)?
    {
        return Ok(Shared::Cloned(file));
    }
    match fs::hard_link(from, to) {
        Ok(()) => Ok(Shared::Linked),
        Err(error) if is_no_link(&error) => Ok(Shared::Not),
        Err(error) => Err(error),
    }
}

/// Makes `to` a reflink of `from`. Returns `None`, and leaves nothing, if that is not possible.
fn clone_of(from: &Path, to: &Path, reflinks: &CanShareBlocks) -> io::Result<Option<File>> {
    let source = open_file(CWD, from)?;
    let target = create_file(CWD, to)?;
    if share_blocks(&target, &source) {
        return Ok(Some(target));
    }
    fs::remove_file(to)?;
    if source.metadata()?.is_file() {
        reflinks.0.store(false, Ordering::Relaxed);
    }
    Ok(None)
}

/// Whether an error says that this file can have no further hard link there, while a copy of it may be made: it has the most
/// links, the folder is on another file system, the file belongs to another user, or the file system has no hard links.
fn is_no_link(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::MLINK
                | Errno::XDEV
                | Errno::PERM
                | Errno::ACCESS
                | Errno::OPNOTSUPP
                | Errno::NOSYS
        )
    )
}
