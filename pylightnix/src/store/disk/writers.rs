//! Detecting processes that have a file open for writing.
//!
//! Neither times nor permissions reveal a writer: a descriptor opened before a `chmod` still writes, and writes through a
//! shared mapping need not update the times. Linux refuses a read lease on a file that is open for writing or mapped writable
//! (fcntl(2), `F_SETLEASE`). Only the owner of a file can take leases, and not every file system supports them.

use std::fs::File;

use crate::store::disk::system::is_open_for_writing;

/// Whether a file is open for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    Absent,
    Present,
    /// The system cannot tell: the file has another owner, or is on a network file system, or this is not Linux.
    Unknown,
}

/// Detects writers of `file`, which has to be opened for reading only.
pub(crate) fn writers(file: &File) -> Writers {
    match is_open_for_writing(file) {
        Some(true) => Writers::Present,
        Some(false) => Writers::Absent,
        None => Writers::Unknown,
    }
}
