//! The known roots of a store, updated incrementally during a collection.

use std::collections::{BTreeSet, HashSet};

use crate::Result;
use crate::store::Store;
use crate::store::using::in_use::InUse;
use crate::store::using::roots::Root;

/// The roots read so far.
#[derive(Default)]
pub(in crate::store) struct KnownRoots {
    pub(in crate::store) all: Vec<Root>,
}

impl KnownRoots {
    /// Reads leases and roots, without locks, for a dry run.
    pub(in crate::store) fn read_without_locks(
        store: &Store,
        alone: bool,
    ) -> Result<(InUse, Self)> {
        let in_use = InUse::read(store, alone)?;
        let all = store.roots()?;
        Ok((in_use, KnownRoots { all }))
    }

    /// Reads leases and roots, such that every root written later is announced in a lease. The caller holds the sweep lock,
    /// which preserves the leases of processes that exit.
    pub(in crate::store) fn read(store: &Store, alone: bool) -> Result<(InUse, Self)> {
        let mut in_use = InUse::read(store, alone)?;
        if !in_use.take_written_roots().is_empty() {
            // Wait for the writers of announced roots to finish.
            drop(store.manager().lock_exclusive()?);
        }
        let all = store.roots()?;
        Ok((in_use, KnownRoots { all }))
    }

    /// Marks these roots as no longer counting.
    pub(in crate::store) fn forget(&mut self, names: &HashSet<String>) {
        for root in &mut self.all {
            root.counts &= !names.contains(&root.name);
        }
    }

    /// Whether a root is known not to count.
    pub(in crate::store) fn has_forgotten(&self, name: &str) -> bool {
        self.all
            .iter()
            .any(|root| root.name == name && !root.counts)
    }

    /// Reads the roots announced in leases since the last call, and returns those that count. Under the exclusive lock the
    /// result is complete. Unchanged roots cost nothing.
    pub(in crate::store) fn read_new(
        &mut self,
        store: &Store,
        in_use: &mut InUse,
    ) -> Result<Vec<Root>> {
        let mut new = Vec::new();
        let written = in_use.take_written_roots();
        if written.is_empty() {
            return Ok(new);
        }
        let written: BTreeSet<String> = written.into_iter().collect();
        self.all.retain(|root| !written.contains(&root.name));
        for name in written {
            if let Some(root) = store.read_root(name)? {
                if root.counts {
                    new.push(root.clone());
                }
                self.all.push(root);
            }
        }
        Ok(new)
    }
}
