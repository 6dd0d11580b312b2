//! `flock` wrappers, and the creation of lock files.

use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::store::disk::layout::Layout;
use crate::{Error, Result};

/// The result of a try-lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum TryLock {
    Taken,
    Held,
    /// The file system does not support locks.
    Unknown,
}

/// Tries to take an exclusive lock without waiting.
pub(in crate::store) fn attempt(file: &File, path: &Path) -> Result<TryLock> {
    loop {
        return match file.try_lock() {
            Ok(()) => Ok(TryLock::Taken),
            Err(TryLockError::WouldBlock) => Ok(TryLock::Held),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {
                continue;
            }
            Err(TryLockError::Error(error)) if lacks_locks(&error) => Ok(TryLock::Unknown),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
        };
    }
}

/// Waits for a lock. Does nothing on a file system without locks, as publishing is correct without them.
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
    // Fails only for a descriptor that is not a file, or on a file system without locks.
    let _ = file.unlock();
}

pub(in crate::store) fn lacks_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.kind() == io::ErrorKind::Unsupported
        || [Errno::NOLCK, Errno::NOSYS, Errno::NOTSUP]
            .map(|errno| Some(errno.raw_os_error()))
            .contains(&error.raw_os_error())
}

/// Whether `path` still names the open `file`.
pub(in crate::store) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Opens a lock file, creating it if it is missing.
pub(in crate::store) fn open_lock(path: &Path) -> Result<File> {
    // `NONBLOCK`, so that a named pipe in its place does not block.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags);
    let opened = match options.clone().write(true).create(true).open(path) {
        // In a shared store the file may belong to another user; read access is enough to lock it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options.open(path),
        opened => opened,
    };
    opened.map_err(|error| Error::io("open the lock", path, error))
}

/// Creates the lock files that every store has.
pub(in crate::store) fn make_locks(layout: &Layout) -> Result<()> {
    for name in ["gate", "gc", "sweep"] {
        open_lock(&layout.locks().join(name))?;
    }
    Ok(())
}
