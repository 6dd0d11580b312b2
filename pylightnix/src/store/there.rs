//! Whether something is there. That the system does not say is no answer.

use std::fs;
use std::io;
use std::path::Path;

use crate::{Error, Result};

/// Whether there is anything at `path`, a link to nothing included.
pub(crate) fn is_there(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(Error::io("look at", path, error)),
    }
}

/// Whether an error of the system says that there is nothing: also where a folder on the way is something else.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
