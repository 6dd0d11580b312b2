//! Copies the imported files.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::walk::{ScannedSource, Source, Stamp, join, open, unchanged};
use crate::config::Digest;
use crate::store::{Refusal, ScannedKind, cores, duplicate, in_parallel};
use crate::{Error, Result};

/// Copies all entries of `source` to `target`. Returns the digests of the copied files, in order.
pub(super) fn copy(source: &Source, target: &Path) -> Result<Vec<Digest>> {
    for found in &source.found {
        let to = join(target, &found.path);
        match &found.kind {
            ScannedKind::Dir => {
                fs::create_dir(&to).map_err(|error| Error::io("create the folder", &to, error))?
            }
            ScannedKind::Link { target } => {
                symlink(target, &to).map_err(|error| Error::io("create the link", &to, error))?
            }
            ScannedKind::File(_) => {}
        }
    }
    let files: Vec<(&ScannedSource, &Stamp, bool)> = source
        .found
        .iter()
        .filter_map(|found| match &found.kind {
            ScannedKind::File(file) => Some((found, &file.stamp, file.executable)),
            _ => None,
        })
        .collect();
    in_parallel(&files, cores(), |_, (found, stamp, executable)| {
        let from = source.at(found);
        let to = join(target, &found.path);
        let digest = copy_file(&from, stamp, &to)?;
        if *executable {
            fs::set_permissions(&to, Permissions::from_mode(0o755))
                .map_err(|error| Error::io("change the mode of", &to, error))?;
        }
        Ok(digest)
    })
}

/// Copies one file, and hashes the copy.
fn copy_file(source: &Path, stamp: &Stamp, target: &Path) -> Result<Digest> {
    let from = open(source, stamp)?;
    let to = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(target)
        .map_err(|error| Error::io("create", target, error))?;
    let (digest, _) = duplicate(&from, &to, stamp.size()).map_err(|refusal| match refusal {
        Refusal::Read(error) => Error::io("read", source, error),
        Refusal::Write(error) => Error::io("write", target, error),
    })?;
    unchanged(&from, source, stamp)?;
    Ok(digest)
}
