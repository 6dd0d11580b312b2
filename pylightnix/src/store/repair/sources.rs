//! Searching other realizations for the bytes of damaged artifacts.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::disk::parallel;
use crate::store::disk::there::tells_of_damage;
use crate::store::object::record::Record;
use crate::store::object::tree::EntryKind;
use crate::{Error, Result};

/// The files that should contain the wanted digests, according to the records of some stores.
#[derive(Default)]
pub(super) struct RepairSources {
    pub(super) files: HashMap<Digest, Vec<PathBuf>>,
    /// An error that made the search incomplete, if any.
    pub(super) refused: Option<String>,
}

/// Returns the digests of the files in a record that are at or below one of these paths.
pub(super) fn digests_below(record: &Record, out: &Path, paths: &[&Path]) -> HashSet<Digest> {
    let files = record.manifest().entries().iter();
    let below = |path: &PathBuf| paths.iter().any(|broken| path.starts_with(broken));
    files
        .filter_map(|entry| match &entry.kind {
            EntryKind::File { digest, .. } if below(&out.join(&entry.path)) => Some(*digest),
            _ => None,
        })
        .collect()
}

/// Searches all realizations of these stores. Skips those with corrupt records.
pub(super) fn find(stores: &[&Store], wanted: &HashSet<Digest>) -> RepairSources {
    let mut found = RepairSources::default();
    if wanted.is_empty() {
        return found;
    }
    for store in stores {
        let mut refused = |error: &Error| found.refused = Some(error.to_string());
        let rrefs = store.rrefs().unwrap_or_else(|error| {
            refused(&error);
            Vec::new()
        });
        let files = parallel::map(&rrefs, parallel::cores(), |_, rref| {
            Ok(files_of(store, rref, wanted))
        });
        for files in files.into_iter().flatten() {
            match files {
                Ok(files) => {
                    for (digest, path) in files {
                        found.files.entry(digest).or_default().push(path);
                    }
                }
                Err(error) if tells_of_damage(&error) => {}
                Err(error) => found.refused = Some(error.to_string()),
            }
        }
    }
    found
}

fn files_of(
    store: &Store,
    rref: &RRefId,
    wanted: &HashSet<Digest>,
) -> Result<Vec<(Digest, PathBuf)>> {
    let record = store.record(rref)?;
    let out = store.out_dir(rref);
    let entries = record.manifest().entries().iter();
    let files = entries.filter_map(|entry| match &entry.kind {
        EntryKind::File { digest, .. } if wanted.contains(digest) => {
            Some((*digest, out.join(&entry.path)))
        }
        _ => None,
    });
    Ok(files.collect())
}
