//! Copies the imported files.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::walk::{OpenSource, ScannedSource, Source, SourceFile, join};
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
    let files: Vec<(&ScannedSource, &SourceFile)> = source.files().collect();
    in_parallel(&files, cores(), |_, (found, file)| {
        let from = source.at(found);
        let to = join(target, &found.path);
        let digest = copy_file(&from, file, &to)?;
        if file.executable {
            fs::set_permissions(&to, Permissions::from_mode(0o755))
                .map_err(|error| Error::io("change the mode of", &to, error))?;
        }
        Ok(digest)
    })
}

/// Copies one file, and hashes the copy.
fn copy_file(source: &Path, scanned: &SourceFile, target: &Path) -> Result<Digest> {
    let from = OpenSource::of(source, scanned)?;
    let to = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(target)
        .map_err(|error| Error::io("create", target, error))?;
    let (digest, _) =
        duplicate(&from.file, &to, scanned.stamp.size()).map_err(|refusal| match refusal {
            Refusal::Read(error) => Error::io("read", source, error),
            Refusal::Write(error) => Error::io("write", target, error),
        })?;
    from.expect_unchanged(&digest)?;
    Ok(digest)
}
