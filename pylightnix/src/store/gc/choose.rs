//! Choosing what garbage collection keeps, and in which order it removes the rest.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use crate::config::RRefId;
use crate::store::known::survey::Survey;
use crate::store::using::lease::Used;
use crate::{Error, ErrorKind, Result};

/// The kept realizations of a survey.
pub(in crate::store) struct KeptRealizations<'a> {
    survey: &'a Survey,
    kept: Vec<bool>,
}

impl<'a> KeptRealizations<'a> {
    pub(in crate::store) fn nothing(survey: &'a Survey) -> Self {
        KeptRealizations {
            survey,
            kept: vec![false; survey.found.len()],
        }
    }

    pub(in crate::store) fn has(&self, at: usize) -> bool {
        self.kept[at]
    }

    /// Keeps a realization and all its dependencies.
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

    /// Keeps a realization and all its dependencies. Does nothing if it is not in the survey.
    pub(in crate::store) fn keep_rref(&mut self, rref: &RRefId) -> Result<()> {
        self.survey.find(rref).map_or(Ok(()), |at| self.keep(at))
    }

    /// Keeps everything except `gone`, which has to be closed under dependents.
    pub(in crate::store) fn all_but(&mut self, gone: &HashSet<usize>) {
        for (at, kept) in self.kept.iter_mut().enumerate() {
            *kept = !gone.contains(&at);
        }
    }

    /// Keeps the realizations that these lease entries protect.
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

    /// Returns the realizations that are not kept, in removal order: dependents before dependencies, and oldest first among
    /// those that may be next. Skips realizations that `may_go` refuses, and thereby their dependencies.
    pub(in crate::store) fn others(&self, mut may_go: impl FnMut(usize) -> bool) -> Vec<usize> {
        let found = &self.survey.found;
        let goes = |at: &usize| !self.kept[*at];
        let mut dependents = vec![0; found.len()];
        for at in (0..found.len()).filter(goes) {
            for dep in found[at].deps.iter().filter(|dep| goes(dep)) {
                dependents[*dep] += 1;
            }
        }
        // Realizations of unknown age come last.
        let age = |at: usize| Reverse((found[at].newest.is_none(), found[at].newest, at));
        let ready = (0..found.len()).filter(|at| goes(at) && dependents[*at] == 0);
        let mut ready: BinaryHeap<_> = ready.map(age).collect();
        let mut order = Vec::new();
        while let Some(Reverse((_, _, at))) = ready.pop() {
            if !may_go(at) {
                continue;
            }
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
    .with_help("nothing was removed: run `repair` first")
}
