//! The error messages of a run.

use std::path::Path;
use std::time::Duration;

use crate::config::DRefId;
use crate::lens::StopReason;
use crate::plan::{AnyNode, Titled};
use crate::realize::stop::watchdog::{AttemptEnd, Overdue};
use crate::store::Violation;
use crate::units::text;
use crate::{BoxError, Error, ErrorKind};

pub(in crate::realize) fn matcher_failed(stage: Titled<'_>, cause: BoxError) -> Error {
    Error::new(
        ErrorKind::Matcher,
        format!("the matcher of stage `{stage}` failed"),
    )
    .because(cause)
    .with_help(format!("the derivation is {}", stage.dref()))
}

pub(in crate::realize) fn matcher_refused(stage: Titled<'_>, why: &str) -> Error {
    Error::new(
        ErrorKind::Matcher,
        format!("stage `{stage}` cannot be realized: {why}"),
    )
    .with_help(format!("the derivation is {}", stage.dref()))
}

/// Adds a note to the error if the folder of the store is gone.
pub(in crate::realize) fn with_store_gone(error: Error, root: &Path) -> Error {
    if root.exists() {
        return error;
    }
    error.more_help(&format!(
        "the store at {} is gone: it was removed or moved while it was in use; put it back, or open it anew and run again",
        root.display()
    ))
}

/// Makes the error for a build that made too few candidates for the matcher.
pub(in crate::realize) fn too_few(
    stage: Titled<'_>,
    runs: usize,
    new: usize,
    there: &str,
    missing: usize,
) -> Error {
    let dref = stage.dref();
    let counted = |count: usize, what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {what}{plural}")
    };
    let message = format!(
        "stage `{stage}` gave {} in {}, and its matcher still wants {missing} more",
        counted(new, "new result"),
        counted(runs, "run"),
    );
    let advice = if new < runs {
        "equal results are one realization: let each run differ (`b.index()` tells the runs apart), or ask for fewer"
    } else {
        "the matcher rejects the results (by a filter, or by a key that is NaN or `None`): run again for \
         other results, or choose with another matcher"
    };
    Error::new(ErrorKind::Matcher, message)
        .with_help(format!("{advice}\nexisting realizations of {dref}:{there}"))
}

/// Makes the error for a failed run. `kept` is its folder, and whether the folder has a log.
pub(in crate::realize) fn run_failed(
    stage: Titled<'_>,
    index: usize,
    attempts: u32,
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
    let dref = stage.dref();
    let cancelled = |cause: &Error| cause.kind() == ErrorKind::Cancelled;
    let (kind, message) = match cause.downcast_ref().is_some_and(cancelled) {
        true => (
            ErrorKind::Cancelled,
            format!("stage `{stage}` was stopped in run {index}"),
        ),
        false => (
            ErrorKind::Stage,
            format!("stage `{stage}` failed in run {index}"),
        ),
    };
    let tries = match attempts {
        1 => String::new(),
        more => format!("it was tried {more} times; the log contains the output of all attempts\n"),
    };
    let error = Error::new(kind, message)
        .because(cause)
        .with_help(format!("{tries}{folder}\nthe derivation is {dref}"));
    match kept {
        Ok((folder, _)) => error.at(folder),
        Err(_) => error,
    }
}

/// Makes the error for a run of a stage that was stopped.
pub(in crate::realize) fn stopped(
    why: StopReason,
    ending: &AttemptEnd,
    result: Result<(), BoxError>,
) -> BoxError {
    let took = text::duration(ending.took);
    let error = match why {
        StopReason::Cancelled => Error::new(
            ErrorKind::Cancelled,
            format!("it was cancelled after {took}"),
        ),
        StopReason::TimeUp(limit) => Error::new(
            ErrorKind::Stage,
            format!(
                "it ran for {took}, and its time limit is {}",
                text::duration(limit)
            ),
        ),
    };
    let late = result.is_ok();
    let error = match result {
        Ok(()) => error,
        Err(cause) => error.because(cause),
    };
    let mut help = Vec::new();
    if late {
        help.push("its results came too late, and are not published");
    }
    if late || ending.overdue {
        help.push(LOOK);
    }
    match help.is_empty() {
        true => error.into(),
        false => error.with_help(help.join("\n")).into(),
    }
}

/// The advice about how a stage can be stopped.
const LOOK: &str = "a stage stops only when it checks: call `b.check()?` in its loop, and run its programs with `b.run(..)`";

/// Makes the error that observers receive about a run that ignores the request to stop.
pub(in crate::realize) fn does_not_stop(
    stage: Titled<'_>,
    late: &Overdue,
    grace: Duration,
) -> Error {
    let why = match late.why {
        StopReason::Cancelled => "it was cancelled".to_owned(),
        StopReason::TimeUp(limit) => format!("its time limit of {} is up", text::duration(limit)),
    };
    let message = format!(
        "stage `{stage}` did not stop in run {} within {} of being told: {why}",
        late.index,
        text::duration(grace),
    );
    Error::new(ErrorKind::Stage, message)
        .with_help(format!("{LOOK}\nthe derivation is {}", late.dref))
}

/// Makes the error that observers receive about a realization of `of` that was looked at when the run of a stage had ended.
pub(in crate::realize) fn looked_late(stage: Titled<'_>, index: usize, of: &DRefId) -> Error {
    let message = format!(
        "`{}` was looked at through a handle that had left stage `{stage}`, after run {index} of it had ended",
        of.name()
    );
    Error::new(ErrorKind::Stage, message).with_help(format!(
        "the build record does not have it: let a stage keep what it loads, and no `RRef` or `Artifact`\nthe derivation is {}",
        stage.dref()
    ))
}

/// Makes the error for a stage that did not begin because the run was cancelled.
pub(in crate::realize) fn not_begun(stage: Titled<'_>) -> Error {
    Error::new(
        ErrorKind::Cancelled,
        format!("stage `{stage}` was cancelled before it ran"),
    )
    .with_help(format!("the derivation is {}", stage.dref()))
}

/// Makes the error for a stage whose build in a task somebody cancelled.
pub(in crate::realize) fn task_cancelled(stage: Titled<'_>) -> Error {
    Error::new(
        ErrorKind::Cancelled,
        format!("the task of stage `{stage}` was cancelled"),
    )
    .with_help(format!(
        "`cancel` did that; run again to build it\nthe derivation is {}",
        stage.dref()
    ))
}

/// Makes the error for a cancelled run, with the errors of the stages that were running.
pub(in crate::realize) fn cancelled(stopped: Vec<Error>, realized: usize, stages: usize) -> Error {
    let message = format!("the run was cancelled: {realized} of {stages} stages are realized");
    Error::new(ErrorKind::Cancelled, message)
        .with_parts(stopped)
        .with_help("published results stay: run again to go on")
}

/// Makes the error for a stage whose output breaks promises.
pub(in crate::realize) fn promises_not_kept(node: &dyn AnyNode, unkept: &[Violation]) -> BoxError {
    let said = |lack: &Violation| {
        let path = &lack.path;
        let promises = node.promises().iter();
        let promise = promises.clone().find(|promise| promise.path == path);
        let field = promise.map_or(path.as_str(), |promise| promise.field);
        let what = match &lack.target {
            None => format!(
                "`out/{path}` does not exist; write it at `b.{field}.path()`, or with `b.{field}.save(..)`"
            ),
            Some(target) if lack.leads_out => format!(
                "`out/{path}` is a link to {target}, which is not published; write a copy of it, or link to another file of \
                 the stage's own folder"
            ),
            Some(target) => format!(
                "`out/{path}` is a link to {target}, which does not exist; write the file itself, or link to another file \
                 of the stage's own folder"
            ),
        };
        format!("it did not keep its promise `{field}`: {what}")
    };
    unkept
        .iter()
        .map(said)
        .collect::<Vec<_>>()
        .join("\n")
        .into()
}

/// Combines all failures of a run into one error. `blocked` is the number of stages that depend on failed ones, and `left`
/// that of the other stages that did not begin.
pub(in crate::realize) fn run_error(
    mut failures: Vec<Error>,
    blocked: usize,
    left: usize,
) -> Error {
    let failed = failures.len();
    let it = if failed == 1 { "it" } else { "them" };
    let mut rest = Vec::new();
    match blocked {
        0 => {}
        1 => rest.push(format!("1 stage that needs {it} was not run")),
        more => rest.push(format!("{more} stages that need {it} were not run")),
    }
    let go_on = "`keep_going()` goes on after a failure";
    match left {
        0 => {}
        1 => rest.push(format!("1 other stage was not begun; {go_on}")),
        more => rest.push(format!("{more} other stages were not begun; {go_on}")),
    }
    let error = match failed {
        1 => failures.remove(0),
        several => {
            Error::new(ErrorKind::Stage, format!("{several} stages failed")).with_parts(failures)
        }
    };
    match rest.is_empty() {
        true => error,
        false => error.more_help(&rest.join("\n")),
    }
}
