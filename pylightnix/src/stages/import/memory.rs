//! Remembering the digests of files that were imported.
//!
//! There is one file for each path that was imported, `cache/imports/<32 hex digits of the sha256 of the path>`: JSON, with
//! the stamp and the digest of each file. It is written anew and renamed, so that readers see a whole one; what cannot be
//! read counts as nothing.
//!
//! Only what cannot have changed unseen is remembered. Times have the grain of the file system's clock, of 2 s on FAT: a
//! file that is written twice within one grain, the second time after it was hashed, has the same stamp as before. So a
//! file is remembered only if its last change lies at least that far before the hashing, as git does with its index
//! (<https://git-scm.com/docs/racy-git>). Nor is one remembered that somebody has open for writing, or that lies in memory:
//! what is written through a shared mapping need not move a time there.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use super::walk::{Found, Source, Stamp, read};
use crate::Result;
use crate::config::Digest;
use crate::store::regular;
use crate::store::{ScannedKind, Store, cores, in_parallel};

/// The coarsest clock of a file system, in seconds.
const GRAIN: i64 = 2;

/// What is remembered of one path.
pub(super) struct Memory {
    folder: PathBuf,
    file: PathBuf,
    source: PathBuf,
}

/// A file whose digest is known.
struct Seen {
    digest: Digest,
    is_recalled: bool,
    /// Whether a later change would show in its stamp.
    shows_changes: bool,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    source: PathBuf,
    settled: HashMap<String, ([i64; 7], Digest)>,
}

impl Memory {
    pub(super) fn of(store: &Store, source: &Path) -> Self {
        let folder = store.cache_dir().join("imports");
        let name = Digest::of(source.as_os_str().as_encoded_bytes()).to_string();
        Memory {
            file: folder.join(&name[..32]),
            folder,
            source: source.to_owned(),
        }
    }

    /// The digest of each file of `source`, in order: remembered, or of what is there now.
    pub(super) fn digests(&self, source: &Source, remembering: bool) -> Result<Vec<Digest>> {
        let now = jiff::Timestamp::now().as_second();
        let known = if remembering {
            self.recall().unwrap_or_default()
        } else {
            HashMap::new()
        };
        let files: Vec<(&Found, &Stamp)> = source
            .found
            .iter()
            .filter_map(|found| match &found.kind {
                ScannedKind::File(file) => Some((found, &file.stamp)),
                _ => None,
            })
            .collect();
        let digests = in_parallel(&files, cores(), |_, (found, stamp)| {
            match known.get(&found.path) {
                Some((seen, digest)) if seen == &stamp.0 => Ok(Seen {
                    digest: *digest,
                    is_recalled: true,
                    shows_changes: true,
                }),
                _ => {
                    let (digest, shows_changes) = read(&source.at(found), stamp)?;
                    Ok(Seen {
                        digest,
                        is_recalled: false,
                        shows_changes,
                    })
                }
            }
        })?;
        let all = files.iter().zip(&digests);
        let settled =
            all.filter(|((_, stamp), seen)| seen.shows_changes && stamp.changed() + GRAIN < now);
        let settled: HashMap<String, ([i64; 7], Digest)> = settled
            .map(|((found, stamp), seen)| (found.path.clone(), (stamp.0, seen.digest)))
            .collect();
        if digests.iter().any(|seen| !seen.is_recalled) || settled.len() != known.len() {
            self.keep(settled);
        }
        Ok(digests.into_iter().map(|seen| seen.digest).collect())
    }

    fn recall(&self) -> Option<HashMap<String, ([i64; 7], Digest)>> {
        let bytes = regular::read(&self.file).ok()?;
        let remembered: Remembered = serde_json::from_slice(&bytes).ok()?;
        (remembered.source == self.source).then_some(remembered.settled)
    }

    /// Remembers these. Not being able to is no fault: they are read again then.
    fn keep(&self, settled: HashMap<String, ([i64; 7], Digest)>) {
        let remembered = Remembered {
            source: self.source.clone(),
            settled,
        };
        let Ok(bytes) = serde_json::to_vec(&remembered) else {
            return;
        };
        let written = self.folder.join(format!(".{}", Uuid::now_v7()));
        let kept = fs::create_dir_all(&self.folder)
            .and_then(|()| fs::write(&written, bytes))
            .and_then(|()| fs::rename(&written, &self.file));
        if kept.is_err() {
            let _ = fs::remove_file(&written);
        }
    }
}
