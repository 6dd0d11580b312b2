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
    /// The stages that reach most of their packages.
    pub wide: Vec<WideCode>,
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

/// A stage that reaches at least 50 items, and more than half of those in its package and in the packages that it depends on by
/// path: most edits make its results stale.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WideCode {
    /// A derivation of the stage.
    pub dref: DRefId,
    /// The number of items that the stage reaches: functions, types, constants and so on.
    pub reached: usize,
    /// The number of items that there are.
    pub all: usize,
    /// Those through which most is reached, up to three. `#[stage(untracked(name))]` does not follow one.
    pub because: Vec<WideningItem>,
}

/// An item through which much is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WideningItem {
    /// The name.
    pub name: String,
    /// The file in its package, and the line.
    pub place: String,
    /// The number of items that are reached through it alone, itself included.
    pub alone: usize,
}

impl fmt::Display for WideCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.reached.saturating_mul(100) / self.all.max(1);
        write!(f, "reaches {share} % of its package")?;
        for (at, WideningItem { name, place, .. }) in self.because.iter().enumerate() {
            f.write_str(match at {
                0 => ", because of ",
                _ if at + 1 == self.because.len() => " and ",
                _ => ", ",
            })?;
            write!(f, "`{name}` ({place})")?;
        }
        Ok(())
    }
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
