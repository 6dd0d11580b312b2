//! What a person should know of the code of a plan before it is run.

use serde::Serialize;
use std::fmt;
use std::time::Duration;

use crate::config::DRefId;
use crate::units::text::duration;

/// What a person should know of the code of a plan, from [`Realize::code_notes`](crate::realize::Realize::code_notes).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CodeNotes {
    /// The results that were made before the code that stages call counted; `None` if there are none.
    pub earlier: Option<EarlierResults>,
    /// What counts of a stage's code and is not seen, a stage each.
    pub unseen: Vec<UnseenCode>,
}

/// Results of versions of this library that compared the function of a stage and its `uses` alone. The function is as it was;
/// of the code that it calls nothing is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EarlierResults {
    /// The number of stages that have such results and no current one.
    pub stages: usize,
    /// How long their newest builds took together.
    pub took: Duration,
}

/// What counts of a stage's code and is not seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UnseenCode {
    /// A derivation of the stage.
    pub dref: DRefId,
    /// What is not seen, and why, in words for people.
    pub what: String,
}

impl fmt::Display for EarlierResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stages {
            1 => f.write_str("The result of 1 stage was")?,
            stages => write!(f, "The results of {stages} stages were")?,
        }
        write!(
            f,
            " made by an earlier version of Pylightnix, which did not track the code that a stage calls. Building took {}. \
             If that code has not changed, accept the results (`accept --all`, or `Accept::earlier`); otherwise the stages \
             run again.",
            duration(self.took)
        )
    }
}
