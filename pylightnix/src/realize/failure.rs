//! What is said when something of a run fails.

use std::any::Any;
use std::path::Path;

use crate::config::DRefId;
use crate::{BoxError, Error, ErrorKind};

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without a message"))
}

pub(super) fn matcher_failed(dref: &DRefId, cause: BoxError) -> Error {
    Error::new(
        ErrorKind::Matcher,
        format!("the matcher of stage `{}` failed", dref.name()),
    )
    .because(cause)
    .help(format!("it is about {dref}"))
}

pub(super) fn matcher_refused(dref: &DRefId, why: &str) -> Error {
    Error::new(
        ErrorKind::Matcher,
        format!("stage `{}` cannot be realized: {why}", dref.name()),
    )
    .help(format!("it is about {dref}"))
}

/// A build gave what its matcher still does not take.
pub(super) fn too_few(
    dref: &DRefId,
    runs: usize,
    new: usize,
    there: &str,
    missing: usize,
) -> Error {
    let name = dref.name();
    let message = format!(
        "stage `{name}` ran {runs} times and gave {new} new results, and its matcher still wants {missing} more"
    );
    Error::new(ErrorKind::Matcher, message).help(format!(
        "equal results are one realization: let each run differ (`b.index()` tells the runs apart), or ask for fewer\n\
         what is there, of {dref}:{there}"
    ))
}

/// A run failed; `kept` is where its folder is.
pub(super) fn run_failed(
    dref: &DRefId,
    index: usize,
    cause: BoxError,
    kept: Result<(&Path, bool), &Error>,
) -> Error {
    let folder = match kept {
        Ok((folder, true)) => format!(
            "its folder is kept: {0}\nits log: {0}/log",
            folder.display()
        ),
        Ok((folder, false)) => format!("its folder is kept: {}", folder.display()),
        Err(error) => format!("its folder could not be kept: {error}"),
    };
    Error::new(
        ErrorKind::Stage,
        format!("stage `{}` failed in run {index}", dref.name()),
    )
    .because(cause)
    .help(format!("{folder}\nit is about {dref}"))
}

pub(super) fn promise_not_kept(field: &str, path: &str) -> BoxError {
    format!(
        "it did not keep its promise `{field}`: there is nothing at `out/{path}`; write it at `b.{field}.path()`, or with \
         `b.{field}.save(..)`"
    )
    .into()
}

/// One error for all that failed in a run.
pub(super) fn run_error(mut failures: Vec<Error>, blocked: usize) -> Error {
    let waiting = match blocked {
        0 => String::new(),
        1 => "1 stage that needs it was not run".to_owned(),
        more => format!("{more} stages that need it were not run"),
    };
    match failures.len() {
        1 => {
            let failure = failures.remove(0);
            if waiting.is_empty() {
                failure
            } else {
                failure.more_help(&waiting)
            }
        }
        several => Error::new(ErrorKind::Stage, format!("{several} stages failed"))
            .with_parts(failures)
            .help(waiting.replace(" it ", " them ")),
    }
}
