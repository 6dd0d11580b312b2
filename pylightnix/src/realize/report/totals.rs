//! The totals of a run.

use serde::Serialize;
use std::fmt;

/// The totals of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The number of derivations in the plan.
    pub stages: usize,
    /// The number of stages whose results were reused.
    pub reused: usize,
    /// The number of stages whose results were carried from another context without running, as all that they read is the same.
    pub carried: usize,
    /// The number of stages whose results were taken from a remote.
    pub fetched: usize,
    /// The number of stages that were built.
    pub built: usize,
    /// The number of runs of stage functions, including failed ones.
    pub runs: usize,
    /// The number of stages whose result is a recorded failure; only stages with `#[stage(fallible)]` can have one.
    pub failures: usize,
    /// The number of runs whose results were in the store already.
    pub repeated: usize,
}

impl Report {
    /// Adds the totals of a later part of the same run.
    pub(crate) fn add(&mut self, later: &Report) {
        self.stages += later.stages;
        self.reused += later.reused;
        self.carried += later.carried;
        self.fetched += later.fetched;
        self.built += later.built;
        self.runs += later.runs;
        self.failures += later.failures;
        self.repeated += later.repeated;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            stages,
            reused,
            carried,
            fetched,
            built,
            runs,
            failures,
            repeated,
        } = self;
        let plural = |n: &usize| if *n == 1 { "" } else { "s" };
        let mut others = String::new();
        for (count, what) in [(carried, "carried"), (fetched, "fetched")] {
            if *count > 0 {
                others += &format!("{count} {what}, ");
            }
        }
        match (*built, &*others) {
            (0, "") => write!(
                f,
                "nothing to build: all {stages} stage{} reused",
                plural(stages)
            )?,
            (0, _) => {
                let (first, rest) = others.split_once(' ').unwrap_or_default();
                write!(
                    f,
                    "nothing to build: {first} of {stages} stage{} {rest}{reused} reused",
                    plural(stages)
                )?;
            }
            _ => write!(
                f,
                "{built} of {stages} stage{} built in {runs} run{}, {others}{reused} reused",
                plural(stages),
                plural(runs)
            )?,
        }
        match failures {
            0 => {}
            1 => write!(f, "; 1 is a failure")?,
            more => write!(f, "; {more} are failures")?,
        }
        if *repeated > 0 {
            write!(
                f,
                "; {repeated} run{} gave results that existed already",
                plural(repeated)
            )?;
        }
        Ok(())
    }
}
