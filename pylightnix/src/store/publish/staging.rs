//! Staging folders, in which realizations are assembled before publication.

use rustix::fs::CWD;
use std::collections::HashMap;
use std::fs::{self, File};
use std::mem::{self, ManuallyDrop};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::config::Digest;
use crate::store::Store;
use crate::store::disk::below::{create_file, open_file, open_folder};
use crate::store::disk::duplicate::{Refusal, duplicate};
use crate::store::disk::durable::Durability;
use crate::store::disk::layout::{OUT, RECORD};
use crate::store::disk::parallel;
use crate::store::disk::remove::remove_tree;
use crate::store::disk::there::is_damage;
use crate::store::object::record::Record;
use crate::store::object::seal::{finish, finish_folders, threads_to_write};
use crate::store::object::tree::{Entry, EntryKind};
use crate::{Error, Result};

/// A temporary folder that is removed on drop.
pub(in crate::store) struct Staging(PathBuf);

impl Staging {
    pub(in crate::store) fn new(store: &Store) -> Result<Self> {
        let path = store.manager().temporary()?;
        fs::create_dir_all(&path).map_err(|error| Error::io("create the folder", &path, error))?;
        Ok(Staging(path))
    }

    pub(in crate::store) fn folder(&self) -> &Path {
        &self.0
    }

    /// Tells that the folder was moved to its place.
    pub(in crate::store) fn moved(self) {
        // Not dropped, as there is nothing to remove; only the path is freed.
        let mut this = ManuallyDrop::new(self);
        drop(mem::take(&mut this.0));
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Best effort: the sweep of dead processes removes a leftover.
        let _ = remove_tree(&self.0);
    }
}

/// Files without a usable source, by path.
pub(in crate::store) type MissingFiles = HashMap<String, MissingFile>;

/// Why no source of a file is usable.
#[derive(Default)]
pub(in crate::store) struct MissingFile {
    /// The problem of each source.
    pub(in crate::store) faults: Vec<String>,
    /// Whether a source could not be read, so that its content is unknown.
    pub(in crate::store) is_unknown: bool,
}

/// Assembles a realization in `folder`, which is created. Takes each file from the first of its `sources` with the bytes that
/// the record lists. If a file has no usable source, the folder is left incomplete.
///
/// Costs per file: open, fstat, create, copy (see [`duplicate`]), chmod, two closes. Never creates hard links: damage and
/// permission changes would affect both names, so that neither could serve to repair the other.
pub(in crate::store) fn stage_from(
    record: &Record,
    folder: &Path,
    durability: Durability,
    sources: &(dyn Fn(&Entry, &Digest) -> Vec<PathBuf> + Sync),
) -> Result<MissingFiles> {
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
    let files = entries
        .iter()
        .filter(|entry| matches!(entry.kind, EntryKind::File { .. }));
    let files: Vec<&Entry> = files.collect();
    let opened = open_folder(&out)?;
    let written = parallel::map(&files, threads_to_write(durability), |_, entry| {
        let EntryKind::File {
            digest,
            size,
            executable,
        } = &entry.kind
        else {
            return Ok(None);
        };
        let target = out.join(&entry.path);
        let refused = |error| Error::io("write", &target, error);
        let mut lacked = MissingFile::default();
        for source in sources(entry, digest) {
            let from = match open_source(&source, *size) {
                Ok(from) => from,
                Err((why, is_unknown)) => {
                    lacked.faults.push(format!("{} {why}", source.display()));
                    lacked.is_unknown |= is_unknown;
                    continue;
                }
            };
            let to = create_file(&opened, &entry.path)
                .map_err(|errno| Error::io("create", &target, errno.into()))?;
            let why = match duplicate(&from, &to, *size) {
                Ok(found) if found == (*digest, *size) => {
                    finish(&to, &target, *executable, durability)?;
                    return Ok(None);
                }
                Ok(_) => "does not match the digest in its record".to_owned(),
                Err(Refusal::Read(error)) => {
                    lacked.is_unknown |= !is_damage(&error);
                    format!("cannot be read: {error}")
                }
                Err(Refusal::Write(error)) => return Err(refused(error)),
            };
            lacked.faults.push(format!("{} {why}", source.display()));
            fs::remove_file(&target).map_err(refused)?;
        }
        Ok(Some((entry.path.clone(), lacked)))
    })?;
    let lacking: MissingFiles = written.into_iter().flatten().collect();
    if !lacking.is_empty() {
        return Ok(lacking);
    }
    // Links come last, so that no file is written through one.
    for entry in entries {
        if let EntryKind::Link { target } = &entry.kind {
            let path = out.join(&entry.path);
            symlink(target, &path).map_err(|error| Error::io("create the link", &path, error))?;
        }
    }
    finish_folders(&out, record.manifest(), durability)?;
    durability.write_new(&folder.join(RECORD), record.to_text().as_bytes())?;
    Ok(lacking)
}

/// Opens a source file of the given size. The error says what is wrong, and whether the content is unknown.
fn open_source(source: &Path, size: u64) -> Result<File, (String, bool)> {
    let from = match open_file(CWD, source) {
        Ok(from) => from,
        Err(errno) => {
            let why = format!("cannot be opened: {errno}");
            return Err((why, !is_damage(&errno.into())));
        }
    };
    match from.metadata() {
        Ok(found) if found.is_file() && found.len() == size => Ok(from),
        Ok(_) => Err(("is not a file of the right size".to_owned(), false)),
        Err(error) => Err((format!("cannot be inspected: {error}"), true)),
    }
}
