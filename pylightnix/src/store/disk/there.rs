//! Whether something is there. That the system does not say is no answer.

use std::error::Error as _;
use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::{Error, ErrorKind, Result};

/// Whether there is anything at `path`, a link to nothing included.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(Error::io("look at", path, error)),
    }
}

/// Whether an error says for good that a file is not what should be there: it is missing, or something else is in its place.
/// Any other error may pass, and says nothing of what is there.
pub(in crate::store) fn is_damage(error: &io::Error) -> bool {
    is_absence(error)
        || matches!(
            Errno::from_io_error(error),
            Some(Errno::ISDIR | Errno::LOOP)
        )
        // What was found without the system's saying so: a pipe, or no UTF-8.
        || error.raw_os_error().is_none()
}

/// The same of what reading something of the store gave.
pub(in crate::store) fn tells_of_damage(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Io => {
            let cause = error.source().and_then(|cause| cause.downcast_ref());
            cause.is_some_and(is_damage)
        }
        _ => true,
    }
}

/// Whether an error of the system says that there is nothing: also where a folder on the way is something else.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
