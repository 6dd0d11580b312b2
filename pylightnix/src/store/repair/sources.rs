//! Searching other realizations for the bytes of damaged artifacts.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
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

/// Returns the realizations of a store with files that are one, by hard links, with these: device and inode by digest.
pub(super) fn with_links_to(
    store: &Store,
    damaged: &HashMap<Digest, HashSet<(u64, u64)>>,
) -> Result<Vec<RRefId>> {
    let wanted: HashSet<Digest> = damaged.keys().copied().collect();
    let rrefs = store.rrefs()?;
    let found = parallel::map(&rrefs, parallel::cores(), |_, rref| {
        let is_one = |(digest, path): &(Digest, PathBuf)| {
            inode(path).is_some_and(|inode| damaged[digest].contains(&inode))
        };
        // A realization whose record is corrupt has to be named itself.
        let files = files_of(store, rref, &wanted).unwrap_or_default();
        Ok(files.iter().any(is_one))
    })?;
    let linked = rrefs
        .into_iter()
        .zip(found)
        .filter(|(_, is_linked)| *is_linked);
    Ok(linked.map(|(rref, _)| rref).collect())
}

/// Returns the device and the inode of a file with several hard links.
pub(super) fn inode(path: &Path) -> Option<(u64, u64)> {
    let found = fs::symlink_metadata(path).ok()?;
    (found.is_file() && found.nlink() > 1).then(|| (found.dev(), found.ino()))
}

/// Searches all realizations of these stores, without the files at the paths `damaged`. Skips realizations with corrupt
/// records.
pub(super) fn find(
    stores: &[&Store],
    wanted: &HashSet<Digest>,
    damaged: &HashSet<&Path>,
) -> RepairSources {
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
                        if damaged.contains(path.as_path()) {
                            continue;
                        }
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
