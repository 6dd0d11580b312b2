//! The folder of a Python realization, as it is listed.

use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::hash::{Hashed, HashedFolder};
use super::names::{FAILURE, STATUS, is_note};
use crate::store::disk::parallel;
use crate::store::disk::regular::open_regular;
use crate::store::object::record::Outcome;
use crate::store::object::scan::{Scanned, ScannedKind, Walk};
use crate::store::object::seal::hash;
use crate::store::object::tree::{Entry, EntryKind, Manifest, check_path};
use crate::{Error, ErrorKind, Result};

/// The entries of a realization's folder. Those of one folder are in the order in which the file system lists them.
pub(super) struct PythonTree {
    root: PathBuf,
    entries: Vec<Scanned<bool>>,
}

impl PythonTree {
    /// Lists a folder.
    pub(super) fn read(root: &Path) -> Result<Self> {
        Ok(PythonTree {
            root: root.to_owned(),
            entries: Artifacts.walk(root)?,
        })
    }

    /// Whether it is a failure that was kept as a result.
    pub(super) fn outcome(&self) -> Outcome {
        match self.has_file(STATUS) {
            true => Outcome::Failed,
            false => Outcome::Ok,
        }
    }

    /// Returns the manifest of what the realization is in a store of this library, reading every file.
    pub(super) fn manifest(&self) -> Result<Manifest> {
        let is_failure = self.outcome() == Outcome::Failed;
        if is_failure && self.entries.iter().any(|entry| entry.path == FAILURE) {
            let path = self.root.join(FAILURE);
            return Err(Artifacts.refused(
                &path,
                "is an artifact of a failure, whose text takes that name here",
            ));
        }
        let artifacts = self.entries.iter();
        let artifacts = artifacts.filter(|entry| !is_note(&entry.path) || !entry.is_file());
        let artifacts: Vec<&Scanned<bool>> = artifacts.collect();
        let entries = parallel::map(&artifacts, parallel::cores(), |_, entry| {
            let path = match is_failure && entry.path == STATUS {
                true => FAILURE.to_owned(),
                false => entry.path.clone(),
            };
            let kind = match &entry.kind {
                ScannedKind::Dir => EntryKind::Dir,
                ScannedKind::Link { target } => EntryKind::Link {
                    target: target.clone(),
                },
                ScannedKind::File(executable) => self.file(&entry.path, *executable)?,
            };
            Ok(Entry { path, kind })
        })?;
        Manifest::new(entries)
    }

    fn file(&self, path: &str, executable: bool) -> Result<EntryKind> {
        let path = self.root.join(path);
        let unreadable = |error| Error::io("read", &path, error);
        let (file, _) = open_regular(&path).map_err(unreadable)?;
        let (digest, size) = hash(&file).map_err(unreadable)?;
        Ok(EntryKind::File {
            digest,
            size,
            executable,
        })
    }

    /// Returns what is hashed of it.
    pub(super) fn hashed(&self) -> Result<HashedFolder> {
        let mut hashed = Vec::with_capacity(self.entries.len());
        for Scanned { path, kind } in &self.entries {
            let at = self.root.join(path);
            let kind = match kind {
                ScannedKind::Dir => Hashed::Folder,
                ScannedKind::File(_) => Hashed::File(at),
                ScannedKind::Link { target } => link(target, at)?,
            };
            hashed.push((path.clone(), kind));
        }
        Ok(HashedFolder::of(hashed))
    }

    /// Returns the path of the file that becomes the artifact `path`.
    pub(super) fn source(&self, path: &str) -> PathBuf {
        match path == FAILURE && self.outcome() == Outcome::Failed {
            true => self.root.join(STATUS),
            false => self.root.join(path),
        }
    }

    fn has_file(&self, path: &str) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.path == path && entry.is_file())
    }
}

impl Scanned<bool> {
    fn is_file(&self) -> bool {
        matches!(self.kind, ScannedKind::File(_))
    }
}

/// Returns what is hashed of a link at a path.
pub(super) fn link(target: &str, at: PathBuf) -> Result<Hashed> {
    match fs::metadata(&at) {
        Ok(found) if found.is_dir() => Ok(Hashed::LinkToFolder),
        Ok(_) => Ok(Hashed::Link(target.to_owned(), at)),
        Err(error) => Err(Error::io("follow the link", &at, error)),
    }
}

/// The policy for the folder of a Python realization, which stays as it is.
struct Artifacts;

impl Walk for Artifacts {
    /// Whether its owner may execute it.
    type File = bool;

    fn file(&self, entry: &DirEntry) -> Result<bool> {
        let found = entry.metadata();
        let found = found.map_err(|error| Error::io("look at", &entry.path(), error))?;
        Ok(found.mode() & 0o100 != 0)
    }

    fn folder(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn check(&self, path: &str) -> Result<(), String> {
        check_path(path)
    }

    fn refused(&self, path: &Path, why: &str) -> Error {
        Error::new(ErrorKind::Store, format!("{} {why}", path.display())).at(path)
    }
}
