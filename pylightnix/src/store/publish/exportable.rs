//! Selecting all intact realizations of a store, for packing or copying everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::RRefId;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// How to treat results of incomplete multi-run builds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum IncompleteBuilds {
    /// Include them; the caller copies their marks.
    Taken,
    /// Leave them out, as an archive has no marks.
    LeftOut,
}

/// The realizations of a store that can be packed or copied, and the errors for the others.
pub(in crate::store) struct Exportable {
    /// The selected realizations with their direct dependencies.
    made_from: BTreeMap<RRefId, Vec<RRefId>>,
    /// Those of which the files are not in the store.
    stubs: Vec<RRefId>,
    pub(in crate::store) left_out: Vec<Error>,
}

impl Exportable {
    /// Examines all realizations of a store. Stubs are left out, as their files are not there.
    pub(in crate::store) fn of(store: &Store, unfinished: IncompleteBuilds) -> Result<Self> {
        let mut every = Self::with_stubs(store, unfinished)?;
        every.leave_out_stubs(store, |_| true);
        Ok(every)
    }

    /// Leaves out the stubs of which `is_wanted` is true.
    pub(in crate::store) fn leave_out_stubs(
        &mut self,
        store: &Store,
        is_wanted: impl Fn(&RRefId) -> bool,
    ) {
        let stubs = std::mem::take(&mut self.stubs).into_iter();
        let lacking = stubs.filter(|rref| is_wanted(rref));
        // One that was filled meanwhile is no stub any more.
        let lacking = lacking.filter_map(|rref| Some((store.expect_files(&rref).err()?, rref)));
        let lacking: Vec<_> = lacking.map(|(why, rref)| (rref, why)).collect();
        self.leave_out(lacking);
    }

    /// Whether there are stubs.
    pub(in crate::store) fn has_stubs(&self) -> bool {
        !self.stubs.is_empty()
    }

    /// Examines all realizations of a store, stubs among them.
    pub(in crate::store) fn with_stubs(
        store: &Store,
        unfinished: IncompleteBuilds,
    ) -> Result<Self> {
        let mut every = Exportable {
            made_from: BTreeMap::new(),
            stubs: Vec::new(),
            left_out: Vec::new(),
        };
        for dref in store.drefs()? {
            match store.rrefs_of(&dref) {
                Ok(rrefs) => {
                    for rref in rrefs {
                        every.add(store, rref, unfinished)?;
                    }
                }
                Err(error) => every.left_out.push(error),
            }
        }
        every.leave_out_dependents();
        Ok(every)
    }

    fn add(&mut self, store: &Store, rref: RRefId, unfinished: IncompleteBuilds) -> Result<()> {
        let complete = || {
            store.expect_complete(&rref)?;
            store.realization(&rref)
        };
        let found = match complete() {
            Ok(found) => found,
            Err(error) => {
                self.left_out.push(error);
                return Ok(());
            }
        };
        if unfinished == IncompleteBuilds::LeftOut && store.is_unfinished(&found)? {
            let message = format!("{rref} belongs to a build of several runs that is not finished");
            self.left_out
                .push(Error::new(ErrorKind::Store, message).with_help(
                    "run its stage again for the missing runs, or pack it by its reference",
                ));
            return Ok(());
        }
        if found.is_stub() {
            self.stubs.push(rref.clone());
        }
        let deps = found.context.realizations().cloned();
        self.made_from.insert(rref, deps.collect());
        Ok(())
    }

    /// Removes these realizations, with their errors, and their dependents.
    pub(in crate::store) fn leave_out(&mut self, these: impl IntoIterator<Item = (RRefId, Error)>) {
        for (rref, error) in these {
            self.left_out.push(error);
            self.made_from.remove(&rref);
        }
        self.leave_out_dependents();
    }

    /// Removes the dependents of realizations that are not selected.
    fn leave_out_dependents(&mut self) {
        let mut dependents: BTreeMap<&RRefId, Vec<&RRefId>> = BTreeMap::new();
        for (rref, deps) in &self.made_from {
            for dep in deps {
                dependents.entry(dep).or_default().push(rref);
            }
        }
        let lacking = dependents.keys().copied();
        let mut to_follow: Vec<_> = lacking
            .filter(|dep| !self.made_from.contains_key(*dep))
            .collect();
        let mut broken = BTreeSet::new();
        while let Some(dep) = to_follow.pop() {
            for rref in dependents.get(dep).into_iter().flatten() {
                if broken.insert(*rref) {
                    let message = format!("{rref} was made from {dep}, which is left out");
                    self.left_out.push(Error::new(ErrorKind::Store, message));
                    to_follow.push(rref);
                }
            }
        }
        let broken: Vec<RRefId> = broken.into_iter().cloned().collect();
        for rref in broken {
            self.made_from.remove(&rref);
        }
    }

    /// Returns the selected realizations, sorted.
    pub(in crate::store) fn rrefs(&self) -> Vec<RRefId> {
        self.made_from.keys().cloned().collect()
    }
}
