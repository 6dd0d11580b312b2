//! The roots of a store, and which of them are new when others got in since.

use std::collections::{BTreeSet, HashSet};

use crate::Result;
use crate::store::Store;
use crate::store::using::in_use::InUse;
use crate::store::using::roots::Root;

/// Roots that were read.
#[derive(Default)]
pub(in crate::store) struct KnownRoots {
    pub(in crate::store) all: Vec<Root>,
}

impl KnownRoots {
    /// Leases and roots as they are now, for who only looks.
    pub(in crate::store) fn look(store: &Store, alone: bool) -> Result<(InUse, Self)> {
        let in_use = InUse::read(store, alone)?;
        let all = store.roots()?;
        Ok((in_use, KnownRoots { all }))
    }

    /// Leases and roots, so that whatever root is missing has its name in what leases will say later. The caller holds
    /// the right to sweep: leases of processes that die stay.
    pub(in crate::store) fn read(store: &Store, alone: bool) -> Result<(InUse, Self)> {
        let mut in_use = InUse::read(store, alone)?;
        if !in_use.take_written_roots().is_empty() {
            // Who was about to write these has done so when it has left.
            drop(store.manager().enter_alone()?);
        }
        let all = store.roots()?;
        Ok((in_use, KnownRoots { all }))
    }

    /// Has these count no more.
    pub(in crate::store) fn let_go(&mut self, names: &HashSet<String>) {
        for root in &mut self.all {
            root.counts &= !names.contains(&root.name);
        }
    }

    /// Whether the root of this name is known not to count.
    pub(in crate::store) fn lets_go(&self, name: &str) -> bool {
        self.all
            .iter()
            .any(|root| root.name == name && !root.counts)
    }

    /// Reads those that were written since, by what leases said since, and returns those of them that count. With
    /// everybody else out, nothing is missing then. It costs nothing for those that stayed as they were.
    pub(in crate::store) fn read_on(
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
