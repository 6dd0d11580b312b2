//! System calls relative to an open folder: lookups are short, and replacing a parent folder with something else does not
//! redirect them.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};
use std::fs::File;
use std::path::Path;

use crate::{Error, Result};

/// Opens a folder without following a link.
pub(in crate::store) fn open_folder(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry_on_intr(|| openat(CWD, path, flags, Mode::empty()))
        .map_err(|errno| Error::io("open the folder", path, errno.into()))
}

/// Opens a file for reading. Never blocks on a named pipe and never follows a link.
pub(in crate::store) fn open_file(
    folder: impl AsFd,
    path: impl AsRef<Path>,
) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = retry_on_intr(|| openat(&folder, path.as_ref(), flags, Mode::empty()));
    opened.map(File::from)
}

/// Creates a new file for writing and reading back. Fails if it exists.
pub(in crate::store) fn create_file(
    folder: impl AsFd,
    path: impl AsRef<Path>,
) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    retry_on_intr(|| openat(&folder, path.as_ref(), flags, mode)).map(File::from)
}
