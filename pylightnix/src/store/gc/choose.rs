//! What a collection keeps, and in which order the rest goes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use crate::config::RRefId;
use crate::store::known::survey::Survey;
use crate::store::using::lease::Used;
use crate::{Error, ErrorKind, Result};

/// Which realizations of a survey stay.
pub(in crate::store) struct Kept<'a> {
    survey: &'a Survey,
    kept: Vec<bool>,
}

impl<'a> Kept<'a> {
    pub(in crate::store) fn nothing(survey: &'a Survey) -> Self {
        Kept {
            survey,
            kept: vec![false; survey.found.len()],
        }
    }

    pub(in crate::store) fn has(&self, at: usize) -> bool {
        self.kept[at]
    }

    /// Keeps a realization and all that it was made from.
    pub(in crate::store) fn keep(&mut self, at: usize) -> Result<()> {
        let mut next = vec![at];
        while let Some(at) = next.pop() {
            if std::mem::replace(&mut self.kept[at], true) {
                continue;
            }
            let surveyed = &self.survey.found[at];
            if let Some(why) = &surveyed.broken {
                return Err(unknown_context(&surveyed.id, why));
            }
            next.extend(surveyed.deps.iter().filter(|dep| !self.kept[**dep]));
        }
        Ok(())
    }

    /// The same for one that is named. One that is not there cannot be kept.
    pub(in crate::store) fn keep_rref(&mut self, rref: &RRefId) -> Result<()> {
        self.survey.find(rref).map_or(Ok(()), |at| self.keep(at))
    }

    /// Keeps all but these, which with each one have all that was made from it.
    pub(in crate::store) fn all_but(&mut self, gone: &HashSet<usize>) {
        for (at, kept) in self.kept.iter_mut().enumerate() {
            *kept = !gone.contains(&at);
        }
    }

    /// Keeps what these leases say is in use.
    pub(in crate::store) fn keep_used<'b>(
        &mut self,
        used: impl IntoIterator<Item = &'b Used>,
    ) -> Result<()> {
        for used in used {
            if let Used::Derivation(dref) = used {
                for at in self.survey.of_derivation(dref) {
                    self.keep(at)?;
                }
            }
        }
        Ok(())
    }

    /// Those that are not kept: all that was made from one before it, and the oldest first among those that may be next.
    /// Those that would take the sum of sizes beyond `most` are left out, and what they were made from.
    pub(in crate::store) fn others(&self, most: u64) -> Vec<usize> {
        let found = &self.survey.found;
        let goes = |at: &usize| !self.kept[*at];
        let mut dependents = vec![0; found.len()];
        for at in (0..found.len()).filter(goes) {
            for dep in found[at].deps.iter().filter(|dep| goes(dep)) {
                dependents[*dep] += 1;
            }
        }
        // What is not known to be old goes last.
        let age = |at: usize| Reverse((found[at].newest.is_none(), found[at].newest, at));
        let ready = (0..found.len()).filter(|at| goes(at) && dependents[*at] == 0);
        let mut ready: BinaryHeap<_> = ready.map(age).collect();
        let mut order = Vec::new();
        let mut room = most;
        while let Some(Reverse((_, _, at))) = ready.pop() {
            let Some(left) = room.checked_sub(found[at].bytes) else {
                continue;
            };
            room = left;
            order.push(at);
            for dep in found[at].deps.iter().filter(|dep| goes(dep)) {
                dependents[*dep] -= 1;
                if dependents[*dep] == 0 {
                    ready.push(age(*dep));
                }
            }
        }
        order
    }
}

fn unknown_context(rref: &RRefId, why: &Error) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{rref} has to be kept, but its record does not say what it was made from"),
    )
    .because(why.to_string())
    .help("nothing was removed: run `repair` first")
}
