//! What a campaign counts.

use std::collections::BTreeMap;
use std::fmt;

/// What a campaign did, and what did not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many rounds were run.
    pub rounds: usize,
    /// How often what happened, by name: `openat ENOSPC`, say.
    pub counts: BTreeMap<String, usize>,
    /// What did not hold, each with what is needed to see it again.
    pub violations: Vec<String>,
}

impl Figures {
    /// Counts something once more.
    pub fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// Adds another's.
    pub fn add(&mut self, other: Figures) {
        self.rounds += other.rounds;
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.violations.extend(other.violations);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.counts {
            writeln!(f, "{count:>9}  {what}")?;
        }
        for violation in &self.violations {
            writeln!(f, "violated: {violation}")?;
        }
        write!(
            f,
            "{} rounds, {} violations",
            self.rounds,
            self.violations.len()
        )
    }
}
