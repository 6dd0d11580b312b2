//! Which runs of a stage are due: runs are counted, not candidates.
//!
//! Build records of today's code say which runs ended. While the mark of a build is there, the runs of that build that no
//! such record names are due, those and no others. Without a mark a build is whole, whatever is left of what it
//! made. A stage that takes more runs than any record names has the rest made. A record without the index of its run (of a
//! result that a person made, accepted or imported, or of an earlier version of this library) stands for all runs.

use std::ops::Range;

use crate::config::RRefId;
use crate::lens::Omitted;
use crate::plan::Code;
use crate::realize::decide::staleness::{changed_default, is_current};
use crate::store::{BuildHead, BuildMark, Realization, RunOf};

/// Today's code of a stage, by which a record counts or does not.
#[derive(Clone, Copy)]
pub(in crate::realize) struct CurrentCode<'a> {
    pub(in crate::realize) code: &'a Code,
    pub(in crate::realize) omitted: &'a Omitted,
}

impl CurrentCode<'_> {
    fn made(&self, head: &BuildHead<'_>) -> bool {
        is_current(head, self.code, self.omitted)
    }

    /// Whether a mark is of a build by today's code.
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

/// Returns the runs that the builds of a current realization by today's code name; `None` for a record that stands for all runs.
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

/// Whether the builds of a current realization stand for `nouts` runs, if no build has begun and not ended.
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

/// The runs that ended, by build records of today's code.
#[derive(Default)]
pub(in crate::realize) struct EndedRuns {
    /// Whether a record stands for all runs.
    is_all: bool,
    /// The indexes of the runs, sorted.
    indexes: Vec<usize>,
    /// The largest number of runs that a record names.
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

    fn has(&self, index: usize) -> bool {
        self.indexes.binary_search(&index).is_ok()
    }
}

/// The runs that have to be made.
#[derive(Clone, Debug, Default)]
pub(in crate::realize) struct Due {
    /// Runs of builds that were interrupted.
    these: Vec<usize>,
    /// Runs that were never begun, after those.
    then: Range<usize>,
    /// The number of runs that the stage has afterwards, in all.
    pub(in crate::realize) of: usize,
    /// The marks of the builds that end with these runs.
    pub(in crate::realize) ends: Vec<String>,
}

impl Due {
    pub(in crate::realize) fn len(&self) -> usize {
        self.these.len() + self.then.len()
    }

    pub(in crate::realize) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the index of the run at `place`.
    pub(in crate::realize) fn at(&self, place: usize) -> usize {
        match self.these.get(place) {
            Some(index) => *index,
            None => self.then.start + (place - self.these.len()),
        }
    }

    /// Adds `more` new runs. Their indexes begin after all runs so far, of which there are at least `tries`.
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

/// The runs of a stage so far: those that ended, and the builds that have begun and not ended.
pub(in crate::realize) struct RunHistory {
    ended: EndedRuns,
    /// The builds by today's code that have begun and not ended.
    begun: Vec<BuildMark>,
}

impl RunHistory {
    /// Of the builds in `begun`, those by today's code count.
    pub(in crate::realize) fn new(
        ended: EndedRuns,
        mut begun: Vec<BuildMark>,
        current_code: CurrentCode<'_>,
    ) -> Self {
        begun.retain(|begun| current_code.begun(begun));
        RunHistory { ended, begun }
    }

    /// Returns the runs that are due of a stage that takes `nouts`.
    pub(in crate::realize) fn due(&self, nouts: usize) -> Due {
        let ended = &self.ended;
        if ended.is_all {
            return Due {
                of: ended.of,
                ..Due::default()
            };
        }
        let mut these = Vec::new();
        let mut ends = Vec::new();
        let mut of = ended.of;
        for begun in &self.begun {
            let last = match begun.fingerprint {
                // A mark that cannot be read stands for a build of all runs.
                None => ended.of.max(nouts),
                // What it was to make for a larger `nouts` than today's is not wanted any more.
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
        Due {
            these,
            of: then.end,
            then,
            ends,
        }
    }

    /// Returns no runs, and the index at which new ones begin: for runs that are forced.
    pub(in crate::realize) fn none_due(&self) -> Due {
        let begun = self.begun.iter().map(|begun| begun.of);
        Due {
            of: begun.fold(self.ended.of, usize::max),
            ..Due::default()
        }
    }

    /// Whether a build by today's code has begun and not ended.
    pub(in crate::realize) fn any_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// Returns the marks of builds all of whose runs ended.
    pub(in crate::realize) fn over(&self) -> Vec<String> {
        let is_over = |begun: &&BuildMark| {
            begun.fingerprint.is_some()
                && (self.ended.is_all || (begun.first..begun.of).all(|index| self.ended.has(index)))
        };
        let over = self.begun.iter().filter(is_over);
        over.map(|begun| begun.name.clone()).collect()
    }
}
