//! Determines which runs of a stage are due, from build records rather than from the number of candidates.
//!
//! A run is complete if a build record of today's code names it. While a build has a mark, exactly its runs without such a
//! record are due. A build without a mark is complete, even if some of its results were removed since. If a stage takes more
//! runs than the records name, the additional runs are due. A record without a run index stands for all runs: that of a
//! result that was made by hand, accepted or imported, or that comes from an earlier version of this library.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::config::RRefId;
use crate::lens::Omitted;
use crate::plan::Code;
use crate::realize::decide::staleness::{changed_default, is_current};
use crate::store::{BuildHead, BuildMark, Realization, RunOf};

/// Today's code of a stage, which decides whether a record counts.
#[derive(Clone, Copy)]
pub(in crate::realize) struct CurrentCode<'a> {
    pub(in crate::realize) code: &'a Code,
    pub(in crate::realize) omitted: &'a Omitted,
}

impl CurrentCode<'_> {
    fn made(&self, head: &BuildHead<'_>) -> bool {
        is_current(head, self.code, self.omitted)
    }

    /// Returns whether a mark belongs to a build by today's code.
    fn begun(&self, begun: &BuildMark) -> bool {
        let BuildMark {
            fingerprint,
            omitted,
            ..
        } = begun;
        let Some(fingerprint) = fingerprint else {
            return true;
        };
        fingerprint == self.code.fingerprint() && changed_default(omitted, self.omitted).is_none()
    }
}

/// Returns the runs that the build records of a current realization name; `None` for a record that stands for all runs.
fn each_run<'a>(
    heads: impl Iterator<Item = BuildHead<'a>>,
    current_code: CurrentCode<'_>,
    mut tell: impl FnMut(Option<RunOf>),
) {
    let mut is_known = false;
    for head in heads.filter(|head| current_code.made(head)) {
        is_known = true;
        tell(head.run);
    }
    if !is_known {
        tell(None);
    }
}

/// Returns whether the builds of a current realization cover `nouts` runs, given that there is no incomplete build.
pub(in crate::realize) fn stand_for<'a>(
    heads: impl Iterator<Item = BuildHead<'a>>,
    current_code: CurrentCode<'_>,
    nouts: usize,
) -> bool {
    let mut stand = false;
    each_run(heads, current_code, |run| {
        stand |= run.is_none_or(|run| run.of >= nouts);
    });
    stand
}

/// The completed runs, according to build records of today's code.
#[derive(Default)]
pub(in crate::realize) struct EndedRuns {
    /// Whether a record stands for all runs.
    is_all: bool,
    /// The indices of the runs, sorted.
    indexes: Vec<usize>,
    /// The largest total number of runs in a record.
    of: usize,
}

impl EndedRuns {
    /// Collects the runs that the build records of current realizations name.
    pub(in crate::realize) fn of(
        current: &[Realization],
        by_hand: &[RRefId],
        current_code: CurrentCode<'_>,
    ) -> Self {
        let mut ended = EndedRuns::default();
        for realization in current {
            each_run(realization.builds.heads(), current_code, |run| match run {
                Some(run) => {
                    ended.indexes.push(run.index);
                    ended.of = ended.of.max(run.of);
                }
                None => ended.is_all = true,
            });
            ended.is_all |= by_hand.contains(&realization.id);
        }
        ended.indexes.sort_unstable();
        ended
    }

    pub(in crate::realize) fn has(&self, index: usize) -> bool {
        self.indexes.binary_search(&index).is_ok()
    }
}

/// The runs that are due.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::realize) struct DueRuns {
    /// The missing runs of interrupted builds.
    these: Vec<usize>,
    /// The runs that no build has begun; they follow `these`.
    then: Range<usize>,
    /// The total number of runs of the stage afterwards.
    pub(in crate::realize) of: usize,
    /// The marks of the builds that these runs complete.
    pub(in crate::realize) ends: Vec<String>,
}

impl DueRuns {
    /// Returns all runs of a stage that has `of` runs.
    pub(in crate::realize) fn all_of(of: usize) -> Self {
        DueRuns {
            then: 0..of,
            of,
            ..DueRuns::default()
        }
    }

    pub(in crate::realize) fn len(&self) -> usize {
        self.these.len() + self.then.len()
    }

    pub(in crate::realize) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the index of the due run at position `place`.
    pub(in crate::realize) fn at(&self, place: usize) -> usize {
        match self.these.get(place) {
            Some(index) => *index,
            None => self.then.start + (place - self.these.len()),
        }
    }

    /// Returns the indices of the due runs.
    pub(in crate::realize) fn indices(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|place| self.at(place))
    }

    /// Adds `more` new runs. Their indices follow those of all earlier runs, of which there are at least `tries`.
    pub(in crate::realize) fn and(mut self, more: usize, tries: usize) -> Self {
        let next = self.of.max(tries);
        if more > 0 {
            if self.then.is_empty() {
                self.then = next..next + more;
            } else if self.then.end == next {
                self.then.end += more;
            } else {
                self.these.extend(self.then);
                self.then = next..next + more;
            }
            self.of = next + more;
        }
        self
    }
}

/// The history of a stage: completed runs and incomplete builds.
pub(in crate::realize) struct RunHistory {
    ended: EndedRuns,
    /// The incomplete builds by today's code.
    begun: Vec<BuildMark>,
}

impl RunHistory {
    /// Creates a history. Of the builds in `begun`, only those by today's code count.
    pub(in crate::realize) fn new(
        ended: EndedRuns,
        mut begun: Vec<BuildMark>,
        current_code: CurrentCode<'_>,
    ) -> Self {
        begun.retain(|begun| current_code.begun(begun));
        RunHistory { ended, begun }
    }

    /// Returns the runs that are due if the stage takes `nouts` runs.
    pub(in crate::realize) fn due(&self, nouts: usize) -> DueRuns {
        let ended = &self.ended;
        if ended.is_all {
            return DueRuns {
                of: ended.of,
                ..DueRuns::default()
            };
        }
        let mut these = Vec::new();
        let mut ends = Vec::new();
        let mut of = ended.of;
        for begun in &self.begun {
            let last = match begun.fingerprint {
                // An unreadable mark counts as that of a build of all runs.
                None => ended.of.max(nouts),
                // If `nouts` was larger when the build began, the surplus runs are not wanted any more.
                Some(_) => begun.of.saturating_sub(begun.nouts.saturating_sub(nouts)),
            };
            these.extend((begun.first..last).filter(|index| !ended.has(*index)));
            if last >= begun.of {
                ends.push(begun.name.clone());
            }
            of = of.max(last);
        }
        these.sort_unstable();
        these.dedup();
        let then = of..of.max(nouts);
        DueRuns {
            these,
            of: then.end,
            then,
            ends,
        }
    }

    /// Returns no due runs, only the index at which new ones begin: for forced runs.
    pub(in crate::realize) fn none_due(&self) -> DueRuns {
        let begun = self.begun.iter().map(|begun| begun.of);
        DueRuns {
            of: begun.fold(self.ended.of, usize::max),
            ..DueRuns::default()
        }
    }

    /// Returns whether there is an incomplete build by today's code.
    pub(in crate::realize) fn any_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Returns the marks of builds whose runs are all complete.
    pub(in crate::realize) fn ended_marks(&self) -> Vec<String> {
        let is_over = |begun: &&BuildMark| {
            begun.fingerprint.is_some()
                && (self.ended.is_all || (begun.first..begun.of).all(|index| self.ended.has(index)))
        };
        let over = self.begun.iter().filter(is_over);
        over.map(|begun| begun.name.clone()).collect()
    }
}
