//! Folders in which realizations are put together before they are published.

use rustix::fs::{CWD, Mode, OFlags, openat};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Store;
use super::durable::Durability;
use super::layout::{OUT, RECORD};
use super::parallel;
use super::record::Record;
use super::remove::remove_tree;
use super::seal::{hash, seal_known};
use super::tree::{Entry, EntryKind};
use crate::config::Digest;
use crate::{Error, Result};

/// A temporary folder, gone with this value.
pub(super) struct Staging(PathBuf);

impl Staging {
    pub(super) fn new(store: &Store) -> Result<Self> {
        let path = store.manager().temporary()?;
        fs::create_dir_all(&path).map_err(|error| Error::io("create the folder", &path, error))?;
        Ok(Staging(path))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is swept when this process is gone.
        let _ = remove_tree(&self.0);
    }
}

/// Why a file cannot be had: for each place where it might be, what is wrong there.
pub(super) type Lacking = HashMap<String, Vec<String>>;

/// Puts a realization together in `folder`, which is made here, from files that are elsewhere: each from the first of its
/// `sources` that has the bytes that the record says. Without one of them, the folder is not finished.
///
/// Files are cloned where the file system can share blocks between files (Btrfs, XFS), and else copied; either way what is
/// written is hashed. They are never hard links: two names of one file would share every damage and every change of mode,
/// so that neither could serve to repair the other.
pub(super) fn stage_from(
    record: &Record,
    folder: &Path,
    durability: Durability,
    sources: &(dyn Fn(&Entry, &Digest) -> Vec<PathBuf> + Sync),
) -> Result<Lacking> {
    let out = folder.join(OUT);
    let make = |path: &Path| {
        fs::create_dir(path).map_err(|error| Error::io("create the folder", path, error))
    };
    make(folder)?;
    make(&out)?;
    let entries = record.manifest().entries();
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Dir) {
        make(&out.join(&entry.path))?;
    }
    let files: Vec<(&Entry, &Digest, u64)> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::File { digest, size, .. } => Some((entry, digest, *size)),
            _ => None,
        })
        .collect();
    let written = parallel::map(&files, parallel::cores(), |_, (entry, digest, size)| {
        let target = out.join(&entry.path);
        let mut faults = Vec::new();
        for source in sources(entry, digest) {
            match clone_file(&source, &target, digest, *size)? {
                None => return Ok(None),
                Some(why) => faults.push(format!("{} {why}", source.display())),
            }
        }
        Ok(Some((entry.path.clone(), faults)))
    })?;
    let lacking: Lacking = written.into_iter().flatten().collect();
    if !lacking.is_empty() {
        return Ok(lacking);
    }
    // Links when all else is written, so that nothing is written through one.
    for entry in entries {
        if let EntryKind::Link { target } = &entry.kind {
            let path = out.join(&entry.path);
            symlink(target, &path).map_err(|error| Error::io("create the link", &path, error))?;
        }
    }
    seal_known(&out, record.manifest(), durability)?;
    durability.write_new(&folder.join(RECORD), record.to_text().as_bytes())?;
    Ok(lacking)
}

/// Makes `target` a file of the bytes of `source` if these are the ones wanted; says otherwise what is wrong with them,
/// and then there is no `target`. Not being able to write is an error.
fn clone_file(source: &Path, target: &Path, digest: &Digest, size: u64) -> Result<Option<String>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut from = match openat(CWD, source, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(errno) => return Ok(Some(format!("cannot be opened: {errno}"))),
    };
    match from.metadata() {
        Ok(found) if found.is_file() && found.len() == size => {}
        Ok(_) => return Ok(Some("is no file of the right size".to_owned())),
        Err(error) => return Ok(Some(format!("cannot be looked at: {error}"))),
    }
    let refused = |error| Error::io("write", target, error);
    let mut to = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(target)
        .map_err(|error| Error::io("create", target, error))?;
    let found = if share_blocks(&to, &from) {
        hash(&to).map_err(refused)?
    } else {
        let mut hasher = Sha256::new();
        let mut length = 0;
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    fs::remove_file(target).map_err(refused)?;
                    return Ok(Some(format!("cannot be read: {error}")));
                }
            };
            length += read as u64;
            if length > size {
                break;
            }
            hasher.update(&buffer[..read]);
            to.write_all(&buffer[..read]).map_err(refused)?;
        }
        (Digest(hasher.finalize().into()), length)
    };
    if found == (*digest, size) {
        return Ok(None);
    }
    fs::remove_file(target).map_err(refused)?;
    Ok(Some(
        "does not have the bytes that its record says".to_owned(),
    ))
}

/// Lets `to` have the contents of `from` without copying them (ioctl_ficlone(2)), where that can be done.
#[cfg(target_os = "linux")]
pub(crate) fn share_blocks(to: &File, from: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn share_blocks(_: &File, _: &File) -> bool {
    false
}
