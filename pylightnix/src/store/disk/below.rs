//! Files and folders below a folder that is open: the way to them is short, and nothing that takes the place of a folder on
//! the way to it matters.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};
use std::fs::File;
use std::path::Path;

use crate::{Error, Result};

/// Opens a folder.
pub(in crate::store) fn open_folder(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry_on_intr(|| openat(CWD, path, flags, Mode::empty()))
        .map_err(|errno| Error::io("open the folder", path, errno.into()))
}

/// Opens a file to read it. Should it be a pipe or a link, this neither waits nor follows.
pub(in crate::store) fn open_file(
    folder: impl AsFd,
    path: impl AsRef<Path>,
) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = retry_on_intr(|| openat(&folder, path.as_ref(), flags, Mode::empty()));
    opened.map(File::from)
}

/// Makes a file that is not there, to write it and to read it again.
pub(in crate::store) fn create_file(folder: impl AsFd, path: &str) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    retry_on_intr(|| openat(&folder, path, flags, mode)).map(File::from)
}
