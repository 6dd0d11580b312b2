//! Abandoned partial downloads.

use jiff::{SignedDuration, Timestamp};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;
use crate::store::Store;
use crate::store::disk::entries::entries;
use crate::store::disk::regular::open_regular;

/// Default age at which a partial download counts as abandoned.
const DEFAULT_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the partial downloads that were not written to for `age` and that no process holds locked, oldest first, with their
/// sizes.
pub(super) fn left_behind(store: &Store, age: Option<Duration>) -> Result<Vec<(PathBuf, u64)>> {
    let folder = store.layout().fetches();
    let age = SignedDuration::try_from(age.unwrap_or(DEFAULT_AGE)).unwrap_or(SignedDuration::MAX);
    let oldest = Timestamp::now()
        .saturating_sub(age)
        .unwrap_or(Timestamp::MIN)
        .as_second();
    let mut found = Vec::new();
    for entry in entries(&folder)? {
        let path = entry?.path();
        // The download may have completed in the meantime.
        let Ok(data) = fs::symlink_metadata(&path) else {
            continue;
        };
        let is_note = path.extension().is_some_and(|end| end == "json");
        let is_of_a_part = is_note && path.with_extension("").exists();
        if data.is_file() && data.mtime() <= oldest && !is_of_a_part && held(&path).is_some() {
            found.push((data.mtime(), path, data.len()));
        }
    }
    found.sort_unstable();
    Ok(found
        .into_iter()
        .map(|(_, path, size)| (path, size))
        .collect())
}

/// Deletes a partial download, unless a process has resumed it. Returns whether it was deleted.
pub(super) fn delete(path: &Path) -> io::Result<bool> {
    let Some(_held) = held(path) else {
        return Ok(false);
    };
    fs::remove_file(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".json");
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(true),
    }
}

/// Locks a partial download, which excludes writers while the file is open. Returns `None` if another process holds the lock.
fn held(path: &Path) -> Option<File> {
    let (file, _) = open_regular(path).ok()?;
    file.try_lock().ok()?;
    Some(file)
}
