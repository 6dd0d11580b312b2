//! What a run did, in numbers.

use serde::Serialize;
use std::fmt;

/// What a run did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The derivations of the plan.
    pub stages: usize,
    /// The stages whose results were in the store.
    pub reused: usize,
    /// The stages that were built.
    pub built: usize,
    /// The runs of stage functions that it took, failed ones included.
    pub runs: usize,
    /// The stages whose result is a failure: of those that may fail, `#[stage(fallible)]`.
    pub failures: usize,
    /// The runs whose results were in the store already.
    pub repeated: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            stages,
            reused,
            built,
            runs,
            failures,
            repeated,
        } = self;
        let plural = |n: &usize| if *n == 1 { "" } else { "s" };
        if *built == 0 {
            write!(
                f,
                "nothing to build: all {stages} stage{} reused",
                plural(stages)
            )?;
        } else {
            write!(
                f,
                "{built} of {stages} stage{} built in {runs} run{}, {reused} reused",
                plural(stages),
                plural(runs)
            )?;
        }
        match failures {
            0 => {}
            1 => write!(f, "; 1 is a failure")?,
            more => write!(f, "; {more} are failures")?,
        }
        if *repeated > 0 {
            write!(
                f,
                "; {repeated} run{} gave what was there already",
                plural(repeated)
            )?;
        }
        Ok(())
    }
}
