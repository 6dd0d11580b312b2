//! Where the bytes of broken artifacts may be as well.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::parallel;
use crate::store::record::Record;
use crate::store::tree::EntryKind;

/// For digests that are wanted, the files that should have them, by the records of some stores.
pub(super) type Elsewhere = HashMap<Digest, Vec<PathBuf>>;

/// The digests of the files in a record that are at or below one of these paths.
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

/// Finds them in all realizations of these stores. Records that cannot be read say nothing.
pub(super) fn find(stores: &[&Store], wanted: &HashSet<Digest>) -> Elsewhere {
    let mut found = Elsewhere::new();
    if wanted.is_empty() {
        return found;
    }
    for store in stores {
        let rrefs = store.rrefs().unwrap_or_default();
        let files = parallel::map(&rrefs, parallel::cores(), |_, rref| {
            Ok(files_of(store, rref, wanted))
        });
        for (digest, path) in files.into_iter().flatten().flatten() {
            found.entry(digest).or_default().push(path);
        }
    }
    found
}

fn files_of(store: &Store, rref: &RRefId, wanted: &HashSet<Digest>) -> Vec<(Digest, PathBuf)> {
    let Ok(record) = store.record(rref) else {
        return Vec::new();
    };
    let out = store.out_dir(rref);
    let entries = record.manifest().entries().iter();
    entries
        .filter_map(|entry| match &entry.kind {
            EntryKind::File { digest, .. } if wanted.contains(digest) => {
                Some((*digest, out.join(&entry.path)))
            }
            _ => None,
        })
        .collect()
}
