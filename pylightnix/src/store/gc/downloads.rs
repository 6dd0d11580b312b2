//! What has arrived of downloads that nobody goes on with.

use jiff::{SignedDuration, Timestamp};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::Store;
use crate::store::disk::regular::open_regular;
use crate::{Error, Result};

/// Unless something else is said, whoever broke off has so much time to go on.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The parts of files to which nothing was added for that long, and that no living process holds, with their sizes; the
/// oldest first.
pub(super) fn left_behind(store: &Store, age: Option<Duration>) -> Result<Vec<(PathBuf, u64)>> {
    let folder = store.layout().fetches();
    let refused = |error| Error::io("read the folder", &folder, error);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(refused)?,
    };
    let age = SignedDuration::try_from(age.unwrap_or(KEPT)).unwrap_or(SignedDuration::MAX);
    let oldest = Timestamp::now()
        .saturating_sub(age)
        .unwrap_or(Timestamp::MIN)
        .as_second();
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(refused)?.path();
        // It may be finished meanwhile.
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

/// Deletes one, unless somebody goes on with it by now; says whether it did.
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

/// The file, if nobody else holds it: then nobody writes it as long as it is open here.
fn held(path: &Path) -> Option<File> {
    let (file, _) = open_regular(path).ok()?;
    file.try_lock().ok()?;
    Some(file)
}
