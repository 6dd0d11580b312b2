//! The roots of a store, and which of them are new when they are read again.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::Result;
use crate::store::Store;
use crate::store::roots::Root;

/// What tells that a file was replaced.
type Stamp = (u64, i64, i64);

/// Roots that were read.
#[derive(Default)]
pub(in crate::store) struct KnownRoots {
    stamps: HashMap<String, Stamp>,
    pub(in crate::store) all: Vec<Root>,
}

impl KnownRoots {
    pub(in crate::store) fn read(store: &Store) -> Result<Self> {
        let mut known = KnownRoots::default();
        known.read_on(store)?;
        Ok(known)
    }

    /// Reads those that are new or were replaced, and returns those of them that count.
    pub(in crate::store) fn read_on(&mut self, store: &Store) -> Result<Vec<Root>> {
        let mut new = Vec::new();
        for name in store.root_names()? {
            let path = store.layout().roots().join(&name);
            let Ok(found) = fs::symlink_metadata(&path) else {
                continue;
            };
            let stamp = (found.ino(), found.ctime(), found.ctime_nsec());
            if self.stamps.get(&name) == Some(&stamp) {
                continue;
            }
            if let Some(root) = store.read_root(name.clone())? {
                self.stamps.insert(name, stamp);
                if root.counts {
                    new.push(root.clone());
                }
                self.all.push(root);
            }
        }
        Ok(new)
    }
}
