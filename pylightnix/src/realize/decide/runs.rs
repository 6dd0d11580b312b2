//! Which runs of a stage are still to be made: runs are counted, not candidates.
//!
//! Build records of today's code say which runs ended. While the mark of a build is there, the runs of that build that no
//! such record names are still to be made, those and no others. Without a mark a build is whole, whatever is left of what it
//! made. A stage that takes more runs than any record knows of has the rest made. What does not say which run it was (a
//! result that a person made, accepted or imported, or one of before this was kept) stands for all runs.

use std::ops::Range;

use crate::config::RRefId;
use crate::lens::Omitted;
use crate::plan::Code;
use crate::realize::decide::current::{changed_default, is_current};
use crate::store::{Begun, BuildHead, Realization, RunOf};

/// By what is decided whether a record counts.
#[derive(Clone, Copy)]
pub(in crate::realize) struct Today<'a> {
    pub(in crate::realize) code: &'a Code,
    pub(in crate::realize) omitted: &'a Omitted,
}

impl Today<'_> {
    fn made(&self, head: &BuildHead<'_>) -> bool {
        is_current(head, self.code, self.omitted)
    }

    /// Whether it is a build by today's code.
    fn begun(&self, begun: &Begun) -> bool {
        let Begun {
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

/// Tells which runs these builds of a current realization were, as far as they are by today's code: nothing stands for all runs.
fn each_run<'a>(
    heads: impl Iterator<Item = BuildHead<'a>>,
    today: Today<'_>,
    mut tell: impl FnMut(Option<RunOf>),
) {
    let mut is_known = false;
    for head in heads.filter(|head| today.made(head)) {
        is_known = true;
        tell(head.run);
    }
    if !is_known {
        tell(None);
    }
}

/// Whether these builds of a current realization stand for so many runs, if no build has begun and not ended.
pub(in crate::realize) fn stand_for<'a>(
    heads: impl Iterator<Item = BuildHead<'a>>,
    today: Today<'_>,
    nouts: usize,
) -> bool {
    let mut stand = false;
    each_run(heads, today, |run| {
        stand |= run.is_none_or(|run| run.of >= nouts);
    });
    stand
}

/// The runs that ended.
#[derive(Default)]
pub(in crate::realize) struct Ended {
    /// Whether something stands for all runs.
    is_all: bool,
    /// Their indexes, sorted.
    indexes: Vec<usize>,
    /// The most runs that any of them knew of.
    of: usize,
}

impl Ended {
    /// What current realizations tell.
    pub(in crate::realize) fn of(
        current: &[Realization],
        by_hand: &[RRefId],
        today: Today<'_>,
    ) -> Self {
        let mut ended = Ended::default();
        for realization in current {
            each_run(realization.builds.heads(), today, |run| match run {
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

/// Runs that are to be made.
#[derive(Clone, Debug, Default)]
pub(in crate::realize) struct Due {
    /// Those of a build that was interrupted.
    these: Vec<usize>,
    /// And these, which were never begun.
    then: Range<usize>,
    /// How many runs the stage has then, those of before included.
    pub(in crate::realize) of: usize,
    /// The marks of the builds that these runs end.
    pub(in crate::realize) ends: Vec<String>,
}

impl Due {
    pub(in crate::realize) fn len(&self) -> usize {
        self.these.len() + self.then.len()
    }

    pub(in crate::realize) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The index of the one at this place.
    pub(in crate::realize) fn at(&self, place: usize) -> usize {
        match self.these.get(place) {
            Some(index) => *index,
            None => self.then.start + (place - self.these.len()),
        }
    }

    /// The same, with so many more new ones, where there are `tries` results.
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

/// What is known of the runs of a stage.
pub(in crate::realize) struct Runs {
    ended: Ended,
    /// The builds by today's code that have begun and not ended.
    begun: Vec<Begun>,
}

impl Runs {
    /// Of all builds that have begun and not ended, those by today's code count.
    pub(in crate::realize) fn new(ended: Ended, mut begun: Vec<Begun>, today: Today<'_>) -> Self {
        begun.retain(|begun| today.begun(begun));
        Runs { ended, begun }
    }

    /// The runs that are still to be made of a stage that takes so many.
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
                // A build of which nothing more is known is one of all runs.
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

    /// For runs that are made whatever is there: none, and where new ones begin.
    pub(in crate::realize) fn none_due(&self) -> Due {
        let begun = self.begun.iter().map(|begun| begun.of);
        Due {
            of: begun.fold(self.ended.of, usize::max),
            ..Due::default()
        }
    }

    /// Whether a build has begun and not ended.
    pub(in crate::realize) fn any_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// The names of the marks of builds all of whose runs ended.
    pub(in crate::realize) fn over(&self) -> Vec<String> {
        let is_over = |begun: &&Begun| {
            begun.fingerprint.is_some()
                && (self.ended.is_all || (begun.first..begun.of).all(|index| self.ended.has(index)))
        };
        let over = self.begun.iter().filter(is_over);
        over.map(|begun| begun.name.clone()).collect()
    }
}
