//! `flock` on files: taking, waiting for and leaving it, and the files that are locked.

use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::store::disk::layout::Layout;
use crate::{Error, Result};

/// What came of a try-lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Attempt {
    Taken,
    Held,
    /// The file system has no locks.
    Unknown,
}

/// Takes an exclusive lock if nobody has one.
pub(in crate::store) fn attempt(file: &File, path: &Path) -> Result<Attempt> {
    loop {
        return match file.try_lock() {
            Ok(()) => Ok(Attempt::Taken),
            Err(TryLockError::WouldBlock) => Ok(Attempt::Held),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {
                continue;
            }
            Err(TryLockError::Error(error)) if lacks_locks(&error) => Ok(Attempt::Unknown),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
        };
    }
}

/// Waits for a lock. Where the file system has none there is nothing to wait for: publishing does not depend on it.
pub(in crate::store) fn lock(
    file: &File,
    path: &Path,
    how: fn(&File) -> io::Result<()>,
) -> Result<()> {
    loop {
        return match how(file) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if !lacks_locks(&error) => Err(Error::io("lock", path, error)),
            _ => Ok(()),
        };
    }
}

pub(in crate::store) fn unlock(file: &File) {
    // It fails only for descriptors that are no files, or where there are no locks.
    let _ = file.unlock();
}

pub(in crate::store) fn lacks_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.kind() == io::ErrorKind::Unsupported
        || [Errno::NOLCK, Errno::NOSYS, Errno::NOTSUP]
            .map(|errno| Some(errno.raw_os_error()))
            .contains(&error.raw_os_error())
}

/// Whether `file` is still what `path` names.
pub(in crate::store) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Opens a file to be locked, made if it is missing.
pub(in crate::store) fn open_lock(path: &Path) -> Result<File> {
    // Should a pipe have taken its place, this does not wait for who writes to it.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags);
    let opened = match options.clone().write(true).create(true).open(path) {
        // Another user's, in a store that is shared: reading is enough to lock it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options.open(path),
        opened => opened,
    };
    opened.map_err(|error| Error::io("open the lock", path, error))
}

/// Makes the files of the locks that every store has.
pub(in crate::store) fn make_locks(layout: &Layout) -> Result<()> {
    for name in ["gate", "gc", "sweep"] {
        open_lock(&layout.locks().join(name))?;
    }
    Ok(())
}
