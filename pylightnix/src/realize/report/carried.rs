//! Why the results of a stage count in another context, without a run.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::config::{DRefId, RRefId};
use crate::store::{Context, Reads};

/// The maximum number of dependencies, and of artifacts of each, that a text names; others are only counted.
const NAMED: usize = 3;

/// Why the results of a stage are carried into a new context instead of running the stage: its dependencies have other
/// realizations than before, in which all that the stage read is the same.
///
/// Displays as ``carried: `clean` was made again with the same `table.csv` ``.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CarriedWhy {
    /// The direct dependencies whose realizations are others than before.
    pub others: Vec<OtherResult>,
    /// The direct dependencies whose realizations are not known yet: the stage is carried if what it read of them, or below
    /// them, comes out as before. Empty in a run.
    pub if_as_before: Vec<DRefId>,
}

/// A direct dependency that has another realization than before, and what the stage read of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OtherResult {
    /// The derivation.
    pub dref: DRefId,
    /// The artifacts that were read.
    pub artifacts: BTreeSet<String>,
    /// Whether any artifact may have been read.
    pub all: bool,
    /// Whether it was asked if the result is a failure, and which.
    pub outcome: bool,
    /// Whether it was asked how many results there are.
    pub number: bool,
    /// Whether something was read of what it was made from.
    pub below: bool,
}

impl CarriedWhy {
    /// Tells which dependencies have other realizations in the context `new` than in `old`, and what was read of them.
    pub(in crate::realize) fn between<'r>(
        reads: impl Iterator<Item = &'r Reads>,
        old: &Context,
        new: &Context,
        unknown: &BTreeSet<DRefId>,
    ) -> Self {
        let differs = |(dref, rrefs): &(&DRefId, &[RRefId])| {
            !unknown.contains(*dref) && new.get(dref) != *rrefs
        };
        let others = old.iter().filter(differs);
        let mut others: BTreeMap<&DRefId, OtherResult> = others
            .map(|(dref, _)| (dref, OtherResult::new(dref)))
            .collect();
        for read in reads.flat_map(Reads::iter) {
            if read.of.is_empty() {
                for dref in &read.numbers {
                    others.entry(dref).and_modify(|other| other.number = true);
                }
            }
            if let Some((first, below)) = read.of.split_first()
                && let Some(other) = others.get_mut(&first.0)
            {
                if below.is_empty() {
                    other.all |= read.all;
                    other.outcome |= read.outcome;
                    other.below |= !read.numbers.is_empty();
                    let artifacts = read.artifacts.union(&read.paths);
                    other.artifacts.extend(artifacts.cloned());
                } else {
                    other.below = true;
                }
            }
        }
        CarriedWhy {
            others: others.into_values().collect(),
            if_as_before: unknown.iter().cloned().collect(),
        }
    }
}

impl OtherResult {
    /// Creates one of which nothing was read.
    fn new(dref: &DRefId) -> Self {
        OtherResult {
            dref: dref.clone(),
            artifacts: BTreeSet::new(),
            all: false,
            outcome: false,
            number: false,
            below: false,
        }
    }
}

impl CarriedWhy {
    /// Returns the reason alone: `` `clean` was made again with the same `table.csv` ``.
    pub fn reason(&self) -> String {
        let (mut told, left) = first(self.others.iter().map(OtherResult::to_string));
        if !left.is_empty() {
            told.push(left.trim_start().to_owned());
        }
        told.join("; ")
    }
}

impl fmt::Display for CarriedWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("carried")?;
        if !self.if_as_before.is_empty() {
            let names = self
                .if_as_before
                .iter()
                .map(|dref| format!("`{}`", dref.name()));
            let (names, left) = first(names);
            let come = match self.if_as_before.len() {
                1 => "comes",
                _ => "come",
            };
            write!(f, " if {}{left} {come} out as before", names.join(", "))?;
        }
        match self.others.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.reason()),
        }
    }
}

impl fmt::Display for OtherResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.dref.name();
        if self.all {
            return write!(f, "`{name}` was made again with the same artifacts");
        }
        if self.artifacts.is_empty() {
            let what = match self {
                OtherResult { outcome: true, .. } => " with the same outcome",
                OtherResult { below: true, .. } => ", and what was read below it is the same",
                OtherResult { number: true, .. } => " with as many results",
                _ => ", and nothing of it is read",
            };
            return write!(f, "`{name}` was made again{what}");
        }
        let (paths, left) = first(self.artifacts.iter().map(|path| format!("`{path}`")));
        write!(
            f,
            "`{name}` was made again with the same {}{left}",
            paths.join(", ")
        )
    }
}

/// Returns the first items, and the text about the others.
fn first(all: impl ExactSizeIterator<Item = String>) -> (Vec<String>, String) {
    let left = match all.len().saturating_sub(NAMED) {
        0 => String::new(),
        left => format!(" and {left} more"),
    };
    (all.take(NAMED).collect(), left)
}
