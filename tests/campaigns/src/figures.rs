//! The results of a campaign.

use std::collections::BTreeMap;
use std::fmt;

/// The counts and the violations of a campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The number of rounds.
    pub rounds: usize,
    /// The number of occurrences of each event, by name, such as `openat ENOSPC`.
    pub counts: BTreeMap<String, usize>,
    /// The violations, each with what is needed to reproduce it.
    pub violations: Vec<String>,
}

impl Figures {
    /// Counts an event.
    pub fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// Adds the results of another campaign.
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
