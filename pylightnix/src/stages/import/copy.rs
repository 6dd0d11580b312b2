//! Copying what is imported.

use sha2::{Digest as _, Sha256};
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::walk::{Found, FoundKind, Source, Stamp, join, open, unchanged};
use crate::config::Digest;
use crate::store::{cores, hash, in_parallel, share_blocks};
use crate::{Error, Result};

/// Copies all of `source` to `target`, and gives the digests of the copies of its files, in order.
pub(super) fn copy(source: &Source, target: &Path) -> Result<Vec<Digest>> {
    for found in &source.found {
        let to = join(target, &found.path);
        match &found.kind {
            FoundKind::Dir => {
                fs::create_dir(&to).map_err(|error| Error::io("create the folder", &to, error))?
            }
            FoundKind::Link { target } => {
                symlink(target, &to).map_err(|error| Error::io("create the link", &to, error))?
            }
            FoundKind::File { .. } => {}
        }
    }
    let files: Vec<(&Found, &Stamp, bool)> = source
        .found
        .iter()
        .filter_map(|found| match &found.kind {
            FoundKind::File { stamp, executable } => Some((found, stamp, *executable)),
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

/// Copies one file, sharing its blocks where that can be done, and hashes the copy.
fn copy_file(source: &Path, stamp: &Stamp, target: &Path) -> Result<Digest> {
    let mut from = open(source, stamp)?;
    let mut to = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(target)
        .map_err(|error| Error::io("create", target, error))?;
    let digest = if share_blocks(&to, &from) {
        hash(&to)
            .map_err(|error| Error::io("read", target, error))?
            .0
    } else {
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("read", source, error)),
            };
            hasher.update(&buffer[..read]);
            to.write_all(&buffer[..read])
                .map_err(|error| Error::io("write", target, error))?;
        }
        Digest(hasher.finalize().into())
    };
    unchanged(&from, source, stamp)?;
    Ok(digest)
}
