//! The error of a sealed stage that was refused something.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use crate::realize::execute::code::Returned;
use crate::{BoxError, Error, ErrorKind};

/// The number of paths that an error names.
const MOST: usize = 5;

/// Something that a sealed stage tried to open and may not. Only where there are sandboxes is it noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::realize::processes) struct Refused {
    pub(in crate::realize::processes) path: PathBuf,
    pub(in crate::realize::processes) to_write: bool,
}

/// Adds to the failure of a sealed stage what it was refused, and what to do.
pub(in crate::realize::processes) fn explained(
    returned: Returned,
    refused: &[Refused],
) -> Returned {
    match returned {
        Ok(Ok(())) => Ok(Ok(())),
        Ok(Err(cause)) => Ok(Err(of_cause(cause, refused))),
        Err(cause) => Err(of_cause(cause, refused)),
    }
}

fn of_cause(cause: BoxError, refused: &[Refused]) -> BoxError {
    let has_no_network = says(&*cause, io::ErrorKind::NetworkDown, &NO_NETWORK);
    let is_denied = says(&*cause, io::ErrorKind::PermissionDenied, &DENIED);
    let (what, help) = match refused.last() {
        _ if has_no_network => (
            "it is sealed and has no network".to_owned(),
            "if it needs one, declare it: `#[stage(sealed, network)]`".to_owned(),
        ),
        Some(last) if is_denied => (named(last), advice(refused)),
        None if is_denied => (
            "it is sealed, and the system refused it something".to_owned(),
            "a sealed stage reads its dependencies, what it declares with `#[stage(sealed, read(\"/data/x\"))]`, and no more"
                .to_owned(),
        ),
        // It may have failed for another reason.
        Some(_) => (
            "it is sealed, and something was refused before it failed".to_owned(),
            advice(refused),
        ),
        None => return cause,
    };
    Error::new(ErrorKind::Stage, what)
        .because(cause)
        .with_help(help)
        .into()
}

/// Adds to the failure of a plan, which was made in the process of a sealed stage, what it was refused.
pub(in crate::realize::processes) fn explained_plan(cause: Error, refused: &[Refused]) -> Error {
    let read = refused.iter().rfind(|refused| !refused.to_write);
    let is_denied = says(&cause, io::ErrorKind::PermissionDenied, &DENIED);
    let Some(Refused { path, .. }) = read.filter(|_| is_denied) else {
        return cause;
    };
    let path = path.display();
    let message = format!("the plan reads {path}, and the process of a sealed stage may not");
    Error::new(ErrorKind::Plan, message)
        .because(cause)
        .with_help(format!(
            "ask the run for it, whose answers need no reading: `run.file(\"{path}\")?`"
        ))
}

/// What errors say that have no kind.
const NO_NETWORK: [&str; 2] = ["Network is down", "failed to lookup address information"];
const DENIED: [&str; 2] = ["Permission denied", "Operation not permitted"];

/// Returns whether an error or one of its causes is of this kind, or says one of these.
fn says(cause: &(dyn StdError + 'static), kind: io::ErrorKind, texts: &[&str]) -> bool {
    Error::chain(cause).any(|error| {
        let is_it = error.downcast_ref().map(io::Error::kind) == Some(kind);
        let text = error.to_string();
        is_it || texts.iter().any(|said| text.contains(said))
    })
}

fn named(refused: &Refused) -> String {
    let path = refused.path.display();
    match refused.to_write {
        true => format!("it is sealed and may not write {path}"),
        false => format!("it is sealed and may not read {path}"),
    }
}

/// Says what to do about each path.
fn advice(refused: &[Refused]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for Refused { path, to_write } in refused.iter().rev().take(MOST) {
        let path = path.display();
        lines.push(match to_write {
            true => format!(
                "instead of {path}, write the output of the stage or files in `b.scratch()?`: no others"
            ),
            false => format!(
                "to read {path}, make it a dependency, as with `run.file(\"{path}\")?`, or declare it: \
                 `#[stage(sealed, read(\"{path}\"))]`"
            ),
        });
    }
    let more = refused.len().saturating_sub(MOST);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}
