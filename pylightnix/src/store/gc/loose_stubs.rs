//! Folders of stubs that have none, or whose derivation is gone.

use std::path::PathBuf;

use crate::Result;
use crate::config::DRefId;
use crate::store::Store;
use crate::store::disk::entries::entries;
use crate::store::disk::there::is_there;

/// Returns the folders of stubs in which nothing counts. Under the exclusive lock nothing comes to count in them.
pub(in crate::store) fn loose_stubs(store: &Store) -> Result<Vec<PathBuf>> {
    let mut loose = Vec::new();
    for entry in entries(&store.layout().stubs())? {
        let entry = entry?;
        let Some(dref) = entry.file_name().to_str().and_then(DRefId::from_folder) else {
            continue;
        };
        if store.stubs_of(&dref)?.is_empty() || !is_there(&store.derivation_dir(&dref))? {
            loose.push(entry.path());
        }
    }
    Ok(loose)
}
