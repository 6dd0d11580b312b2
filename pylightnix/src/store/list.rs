//! Listing what a store holds.

use std::fs;
use std::io;
use std::path::Path;

use super::Store;
use crate::config::{DRefId, RRefId};
use crate::{Error, Result};

impl Store {
    /// All derivations, sorted.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn drefs(&self) -> Result<Vec<DRefId>> {
        list(&self.layout().objects(), DRefId::from_folder)
    }

    /// All realizations, sorted by reference.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn rrefs(&self) -> Result<Vec<RRefId>> {
        let mut all = Vec::new();
        for dref in self.drefs()? {
            all.extend(self.rrefs_of(&dref)?);
        }
        all.sort_unstable();
        Ok(all)
    }

    /// The realizations of one derivation, sorted; none if it is not in the store.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn rrefs_of(&self, dref: &DRefId) -> Result<Vec<RRefId>> {
        list(&self.derivation_dir(dref), |name| {
            RRefId::from_folder(dref, name)
        })
    }
}

/// What the names in a folder stand for, sorted; other names are passed over, and what is no folder has none.
fn list<T: Ord>(folder: &Path, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let refused = |error| Error::io("read the folder", folder, error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(refused(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(refused)?.file_name();
        found.extend(name.to_str().and_then(&read));
    }
    found.sort_unstable();
    Ok(found)
}
