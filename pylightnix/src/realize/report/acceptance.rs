//! What an acceptance did, as data.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

use crate::config::{DRefId, RRefId};
use crate::store::FileChange;
use crate::{Error, as_text};

/// What was accepted, or would be, from [`Accept`](crate::realize::Accept). Displays as a line for each part.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Acceptance {
    /// The accepted results, in the order of the plan.
    pub accepted: Vec<Accepted>,
    /// The stages whose results a check refused.
    pub refused: Vec<NotAccepted>,
    /// The stages that were not looked at because a dependency has to be built or accepted first.
    pub waiting: Vec<Waiting>,
    /// With [`Accept::changed`](crate::realize::Accept::changed): what else differs in the code of stale results, so that they
    /// were left as they are. Each is as `why` prints it.
    pub other_changes: Vec<String>,
}

/// An accepted result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Accepted {
    /// The realization.
    pub rref: RRefId,
    /// The fingerprint of the code that it was accepted from; `None` if that is unknown.
    pub from: Option<String>,
    /// The fingerprint of today's code, which counts as that code for the stage.
    pub to: String,
}

/// Results of a stage that were not accepted because the stage gives others today.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct NotAccepted {
    /// The realizations; at least one.
    pub rrefs: Vec<RRefId>,
    /// How the output of today's code differs from the first of them; empty if the stage failed.
    pub files: Vec<FileChange>,
    /// The error, if the stage failed.
    #[serde(serialize_with = "error")]
    pub error: Option<Error>,
    /// The folder of the output, with its files in `out/`; `None` if the stage failed, as the error names it. Garbage
    /// collection removes it.
    pub kept: Option<PathBuf>,
}

/// A stage that was not looked at because a dependency has to be built or accepted first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Waiting {
    /// The derivation.
    pub dref: DRefId,
    /// The dependency.
    pub dep: DRefId,
}

impl fmt::Display for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        lines.extend(self.accepted.iter().map(|one| one.rref.to_string()));
        lines.extend(self.refused.iter().map(ToString::to_string));
        lines.extend(self.waiting.iter().map(|Waiting { dref, dep }| {
            format!("{dref} waits: {dep}, which it depends on, has to be accepted or built first")
        }));
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, rref) in self.rrefs.iter().enumerate() {
            let and = if at == 0 { "" } else { ", " };
            write!(f, "{and}{rref}")?;
        }
        let is = if self.rrefs.len() == 1 { "is" } else { "are" };
        match &self.error {
            Some(error) => {
                let error = format!("{error:?}").replace('\n', "\n  ");
                write!(f, " {is} not accepted, as the stage fails now:\n  {error}")?;
            }
            None => write!(f, " {is} not accepted, as the stage gives other bytes now:")?,
        }
        for file in &self.files {
            write!(f, "\n  {file}")?;
        }
        match &self.kept {
            Some(folder) => write!(f, "\n  what it gives is kept in {}", folder.display()),
            None => Ok(()),
        }
    }
}

fn error<S: serde::Serializer>(error: &Option<Error>, to: S) -> Result<S::Ok, S::Error> {
    match error {
        Some(error) => as_text::one(error, to),
        None => to.serialize_none(),
    }
}
