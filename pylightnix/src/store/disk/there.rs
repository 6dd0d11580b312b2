//! Existence tests that distinguish "missing" from "cannot tell".

use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::{Error, ErrorKind, Result};

/// Whether `path` exists; a dangling link counts.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(Error::io("look at", path, error)),
    }
}

/// Whether an error proves damage: the file is missing, or something else is in its place. Any other error may be transient and
/// proves nothing.
pub(in crate::store) fn is_damage(error: &io::Error) -> bool {
    is_absence(error)
        || matches!(
            Errno::from_io_error(error),
            Some(Errno::ISDIR | Errno::LOOP)
        )
        // Errors without a number were detected by this library: a pipe, or invalid UTF-8.
        || error.raw_os_error().is_none()
}

/// Whether an error from reading an object of the store proves damage; see [`is_damage`].
pub(in crate::store) fn tells_of_damage(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Io => {
            let cause = error.causes().next().and_then(|cause| cause.downcast_ref());
            cause.is_some_and(is_damage)
        }
        _ => true,
    }
}

/// Whether an error of the system proves that a path does not exist, also because a parent is not a folder.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
