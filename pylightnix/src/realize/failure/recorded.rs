//! Recorded failures: how the failures of stages with `#[stage(fallible)]` are stored as results and read back.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use crate::lens::AnyRRef;
use crate::store::regular;
use crate::store::{BuildKind, Clock, Outcome, Realization};
use crate::{BoxError, Error, ErrorKind, Result};

/// The artifact that holds the text of a failure.
pub(in crate::realize) const FAILURE: &str = "failure.txt";

/// The maximum size of an error's text that is stored, in bytes.
const MOST: usize = 64 << 10;

/// Reads the text of a failure; returns `None` if `realization` is a success.
pub(in crate::realize) fn text_of(realization: &Realization) -> Result<Option<Arc<str>>> {
    if realization.outcome == Outcome::Ok {
        return Ok(None);
    }
    let path = realization.out().join(FAILURE);
    match regular::read(&path) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).trim_end().into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Some("it left no error text".into()))
        }
        Err(error) => Err(Error::io("read", &path, error)),
    }
}

/// Returns whether a matcher took a failure, which is then the only realization taken.
pub(in crate::realize) fn is_failure(taken: &[AnyRRef]) -> bool {
    taken.first().is_some_and(|rref| rref.failure().is_some())
}

/// Returns the newest failure; among equally new ones, that with the lowest reference.
pub(in crate::realize) fn newest(mut failures: Vec<Realization>) -> Option<Realization> {
    let clock = Clock::now();
    failures.sort_by_key(|failure| {
        let builds = failure.builds.heads();
        let built = builds.filter(|build| build.kind == BuildKind::Build);
        std::cmp::Reverse(built.filter_map(|build| build.ended(clock)).max())
    });
    failures.into_iter().next()
}

/// Returns the text of an error and its causes. The path of `out` is shortened to `out`, so that equal
/// failures are one realization.
pub(in crate::realize) fn text(error: &BoxError, out: &Path) -> String {
    let mut text = error.to_string();
    match error.downcast_ref::<Error>() {
        // The full report of the library's errors contains the causes.
        Some(error) => text = format!("{error:?}"),
        None => {
            let mut cause = error.source();
            while let Some(error) = cause {
                text += &format!("\ncaused by: {error}");
                cause = error.source();
            }
        }
    }
    text = text.replace(&*out.to_string_lossy(), "out");
    if text.len() > MOST {
        let mut end = MOST;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let more = text.len() - end;
        text.truncate(end);
        text += &format!("\n({more} more bytes were left out)");
    }
    text.push('\n');
    text
}

/// Returns whether an error concerns this machine or store rather than the stage. Such an error is not recorded, because the
/// stage may succeed later.
pub(in crate::realize) fn is_of_the_machine(first: &BoxError) -> bool {
    Error::chain(&**first).any(|error| {
        let store = error
            .downcast_ref::<Error>()
            .is_some_and(|error| matches!(error.kind(), ErrorKind::Store | ErrorKind::Missing));
        store || is_of_the_system(error)
    })
}

/// Whether the operating system lacks something that another day may have.
fn is_of_the_system(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return matches!(
            error.kind(),
            io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::OutOfMemory
        );
    }
    // An error that passes another off as itself, as one of `anyhow` or with `#[error(transparent)]`, hides the types below it, but not
    // the words.
    let text = error.to_string();
    [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::NOMEM]
        .into_iter()
        .any(|errno| text.contains(&io::Error::from(errno).to_string()))
}
