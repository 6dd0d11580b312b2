//! Texts of items of code that no list names.

use std::collections::HashSet;

use crate::Result;
use crate::store::Store;
use crate::store::using::in_use::InUse;
use crate::store::using::lease::Used;

/// The texts that no list names, as far as lists were read.
pub(super) struct LooseItems {
    pub(super) loose: HashSet<String>,
    /// The fingerprints whose files were read.
    read: HashSet<String>,
}

impl LooseItems {
    /// Reads all lists. Without an exclusive lock the result may be outdated at once; see [`update`](Self::update).
    pub(super) fn of(store: &Store) -> Result<Self> {
        let mut items = LooseItems {
            loose: store.all_code_items()?,
            read: HashSet::new(),
        };
        if !items.loose.is_empty() {
            items.read_lists(store)?;
        }
        Ok(items)
    }

    /// Reads the lists that are new. Returns `false` if a living process may be writing one whose texts are there already: then
    /// none may be deleted. The caller holds the exclusive lock and has read the leases.
    pub(super) fn update(&mut self, store: &Store, in_use: &InUse) -> Result<bool> {
        self.read_lists(store)?;
        Ok(in_use.all.iter().all(|used| match used {
            Used::Code(fingerprint) => self.read.contains(fingerprint),
            _ => true,
        }))
    }

    fn read_lists(&mut self, store: &Store) -> Result<()> {
        for fingerprint in store.all_code()? {
            if self.read.contains(&fingerprint) {
                continue;
            }
            if let Some(list) = store.code_list(&fingerprint)? {
                for item in &list.items {
                    self.loose.remove(&*item.hash);
                }
            }
            self.read.insert(fingerprint);
        }
        Ok(())
    }
}
