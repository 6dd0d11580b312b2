//! A cache of the digests of imported files.
//!
//! Each imported path has one file, `cache/imports/<32 hex digits of the path's SHA-256>`: JSON with the stamp and the
//! digest of each file. It is written to a new file and renamed, so that readers never see a part of it. An unreadable file
//! is ignored.
//!
//! A digest is cached only if any later change would show in the stamp. File times have a limited resolution, 2 s on FAT: a
//! file that is written again within the same tick, after it was hashed, keeps its stamp. So a file is cached only if its
//! last change is older than that, as in git's index (<https://git-scm.com/docs/racy-git>). Files that are open for writing,
//! and files on file systems in memory, are not cached: writes through a shared mapping need not change their times.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use super::walk::{ScannedSource, Source, SourceFile, read};
use crate::Result;
use crate::config::Digest;
use crate::store::regular;
use crate::store::{Store, cores, in_parallel};

/// The coarsest resolution of file times, in seconds.
const RESOLUTION: i64 = 2;

/// The cache of one imported path.
pub(super) struct DigestCache {
    folder: PathBuf,
    file: PathBuf,
    source: PathBuf,
}

/// The digest of a file, and where it comes from.
struct FileDigest {
    digest: Digest,
    is_cached: bool,
    /// Whether a later change would show in the stamp.
    shows_changes: bool,
}

#[derive(Serialize, Deserialize)]
struct CacheFile {
    source: PathBuf,
    settled: HashMap<String, ([i64; 7], Digest)>,
}

impl DigestCache {
    pub(super) fn of(store: &Store, source: &Path) -> Self {
        let folder = store.cache_dir().join("imports");
        let name = Digest::of(source.as_os_str().as_encoded_bytes()).to_string();
        DigestCache {
            file: folder.join(&name[..32]),
            folder,
            source: source.to_owned(),
        }
    }

    /// Returns the digest of each file of `source`, in order, from the cache or by reading the file.
    pub(super) fn digests(&self, source: &Source, use_cache: bool) -> Result<Vec<Digest>> {
        let now = jiff::Timestamp::now().as_second();
        let known = if use_cache {
            self.load().unwrap_or_default()
        } else {
            HashMap::new()
        };
        let files: Vec<(&ScannedSource, &SourceFile)> = source.files().collect();
        let digests = in_parallel(&files, cores(), |_, (found, file)| {
            match known.get(&found.path) {
                Some((cached, digest)) if cached == &file.stamp.0 => Ok(FileDigest {
                    digest: *digest,
                    is_cached: true,
                    shows_changes: true,
                }),
                _ => {
                    let (digest, shows_changes) = read(&source.at(found), file)?;
                    Ok(FileDigest {
                        digest,
                        is_cached: false,
                        shows_changes,
                    })
                }
            }
        })?;
        let all = files.iter().zip(&digests);
        let settled = all.filter(|((_, file), hashed)| {
            hashed.shows_changes && file.stamp.changed() + RESOLUTION < now
        });
        let settled: HashMap<String, ([i64; 7], Digest)> = settled
            .map(|((found, file), hashed)| (found.path.clone(), (file.stamp.0, hashed.digest)))
            .collect();
        if digests.iter().any(|hashed| !hashed.is_cached) || settled.len() != known.len() {
            self.save(settled);
        }
        Ok(digests.into_iter().map(|hashed| hashed.digest).collect())
    }

    fn load(&self) -> Option<HashMap<String, ([i64; 7], Digest)>> {
        let bytes = regular::read(&self.file).ok()?;
        let cached: CacheFile = serde_json::from_slice(&bytes).ok()?;
        (cached.source == self.source).then_some(cached.settled)
    }

    /// Writes the cache. Ignores errors: the files are then read again.
    fn save(&self, settled: HashMap<String, ([i64; 7], Digest)>) {
        let cached = CacheFile {
            source: self.source.clone(),
            settled,
        };
        let Ok(bytes) = serde_json::to_vec(&cached) else {
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
