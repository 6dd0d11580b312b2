//! Whether anybody has a file open for writing.
//!
//! Neither times nor modes tell: a descriptor that was opened before a mode was changed still writes, and what is written
//! through a shared mapping need not move a time. Linux refuses a read lease on a file that is open for writing or is mapped
//! so (fcntl(2), `F_SETLEASE`). It gives leases to the owner of a file alone, and not on every file system.

use std::fs::File;

use crate::store::disk::system::is_open_for_writing;

/// Who has a file open for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    Nobody,
    Somebody,
    /// The system does not say: another owner, a network file system, another system than Linux.
    Unknown,
}

/// Who has `file` open for writing. It has to be opened for reading alone.
pub(crate) fn writers(file: &File) -> Writers {
    match is_open_for_writing(file) {
        Some(true) => Writers::Somebody,
        Some(false) => Writers::Nobody,
        None => Writers::Unknown,
    }
}
