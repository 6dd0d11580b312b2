//! Recognizes failures caused by a full disk, and frees space.

use std::io;

use crate::store::{Draft, is_full};
use crate::{BoxError, Error, ErrorKind};

/// The messages that programs print when the disk is full.
const SAID: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// Returns whether a run failed because the disk is full. The error may not show it: a child process exits with a status,
/// and its log could not be written.
pub(in crate::realize) fn is_cause(draft: &Draft, cause: &BoxError) -> bool {
    for error in Error::chain(&**cause) {
        let refused = error.downcast_ref::<io::Error>().map(io::Error::kind);
        let is_refused = matches!(
            refused,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        );
        if is_refused || SAID.iter().any(|said| error.to_string().contains(said)) {
            return true;
        }
    }
    is_full(draft.out())
}

/// Deletes the output of the run, to free space for other runs, and returns an error that says so.
pub(in crate::realize) fn into_error(draft: &Draft, cause: BoxError) -> BoxError {
    let done = match draft.make_room() {
        Ok(()) => "what this run had written was deleted, so that it does not keep the disk full"
            .to_owned(),
        Err(error) => format!("what this run had written could not be deleted: {error}"),
    };
    Error::new(ErrorKind::Stage, "the disk is full")
        .because(cause)
        .with_help(format!(
            "free some space on that file system and run again\n{done}"
        ))
        .into()
}
