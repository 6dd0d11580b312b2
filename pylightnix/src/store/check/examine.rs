//! Checking one realization against its record.

use rustix::fs::CWD;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Fault, FaultKind, Note};
use crate::Error;
use crate::config::{ConfigJson, DRefId, Digest, RRefId};
use crate::store::Store;
use crate::store::disk::below::open_file;
use crate::store::disk::layout::{CONFIG, OUT, RECORD, TAKEN_FROM};
use crate::store::disk::regular;
use crate::store::disk::there::{is_damage, is_there, tells_of_damage};
use crate::store::object::build_record::{BuildFile, BuildRecord};
use crate::store::object::record::Record;
use crate::store::object::seal::hash;
use crate::store::object::signature::SignatureFile;
use crate::store::object::tree::{Entry, EntryKind, Manifest};
use crate::store::object::violation::lacking_in;

/// The result of examining a realization.
#[derive(Default)]
pub(super) struct Examined {
    pub(super) faults: Vec<Fault>,
    pub(super) notes: Vec<Note>,
    /// Files of the right size, whose content is still to be hashed.
    pub(super) files: Vec<ToRead>,
}

pub(super) struct ToRead {
    pub(super) id: RRefId,
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// The device and the inode, if the file has several hard links.
    pub(super) linked: Option<(u64, u64)>,
}

impl ToRead {
    /// Hashes the file; returns what is wrong if it does not match the record.
    pub(super) fn read(&self) -> Option<(FaultKind, String)> {
        let opened = open_file(CWD, &self.path).map_err(io::Error::from);
        match opened.and_then(|file| hash(&file)) {
            Ok(found) if found == (self.digest, self.size) => None,
            Ok(_) => Some((
                FaultKind::Artifact,
                "does not match the digest in its record".to_owned(),
            )),
            Err(error) => Some(unreadable(&error)),
        }
    }

    /// Returns the fault of a file with which something is wrong.
    pub(super) fn fault(&self, (kind, message): &(FaultKind, String)) -> Fault {
        about(&self.id, *kind, &self.path, message.clone())
    }
}

/// Checks everything except the content of files. `config` is the derivation's, unless it is corrupt.
pub(super) fn examine(store: &Store, id: &RRefId, config: Option<&ConfigJson>) -> Examined {
    let folder = (store.records_dir(id)).unwrap_or_else(|_| store.realization_dir(id));
    let is_stub = folder == store.layout().stub(id);
    let mut examiner = Examiner {
        store,
        id,
        is_stub,
        folder: folder.clone(),
        found: Examined::default(),
    };
    examiner.look_into_folder();
    match store.record(id) {
        Ok(record) => {
            examiner.compare_context(&record, config);
            if !is_stub {
                examiner.compare_tree(record.manifest());
            }
        }
        Err(error) => {
            let (kind, message) = match tells_of_damage(&error) {
                true => (FaultKind::Record, short(&error)),
                false => (FaultKind::Unreadable, format!("cannot be read: {error}")),
            };
            let path = examiner.folder.join(RECORD);
            examiner.fault(kind, &path, message);
        }
    }
    let found = examiner.found;
    // A realization that was removed in the meantime has no faults.
    if !found.faults.is_empty() && matches!(is_there(&folder), Ok(false)) {
        return Examined::default();
    }
    found
}

struct Examiner<'a> {
    store: &'a Store,
    id: &'a RRefId,
    /// Whether it has no artifacts here.
    is_stub: bool,
    folder: PathBuf,
    found: Examined,
}

impl Examiner<'_> {
    fn fault(&mut self, kind: FaultKind, path: &Path, message: impl Into<String>) {
        let fault = about(self.id, kind, path, message);
        self.found.faults.push(fault);
    }

    fn refused(&mut self, path: &Path, error: &io::Error) {
        let (kind, message) = unreadable(error);
        self.fault(kind, path, message);
    }

    /// Checks the files beside the artifacts.
    fn look_into_folder(&mut self) {
        let folder = self.folder.clone();
        let mut has_signatures = false;
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => return self.refused(&folder, &error),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.refused(&folder, &error),
            };
            let (name, path) = (entry.file_name(), entry.path());
            match BuildRecord::kind_of(name.as_encoded_bytes()) {
                Some(BuildFile::Record(build)) => {
                    match regular::read(&path).map(|bytes| BuildRecord::from_bytes(build, &bytes)) {
                        Ok(Some(record)) => self.look_at_time(&path, &record),
                        Err(error) if !is_damage(&error) => self.refused(&path, &error),
                        _ => self.fault(
                            FaultKind::BuildRecord,
                            &path,
                            "is not a known kind of build record",
                        ),
                    }
                }
                Some(BuildFile::Log(_)) => {}
                Some(BuildFile::Signature(..)) => has_signatures = true,
                None if name == RECORD => {}
                None if name == OUT && !self.is_stub => {}
                None if name == TAKEN_FROM => {}
                None => self.fault(
                    FaultKind::Unexpected,
                    &path,
                    "does not belong in a realization",
                ),
            }
        }
        if has_signatures {
            self.look_at_signatures();
        }
    }

    fn look_at_signatures(&mut self) {
        let signatures = match self.store.signatures(self.id) {
            Ok(signatures) => signatures,
            Err(error) => {
                let path = self.folder.clone();
                let message = format!("has signatures that cannot be read: {error}");
                return self.fault(FaultKind::Unreadable, &path, message);
            }
        };
        for signature in signatures.iter().filter(|signature| !signature.is_valid) {
            let name = SignatureFile::name_of(signature.build, signature.key);
            let path = self.folder.join(name);
            let message = "is not a signature by that key of the record and the build record here";
            self.fault(FaultKind::Signature, &path, message);
        }
    }

    fn compare_context(&mut self, record: &Record, config: Option<&ConfigJson>) {
        let path = self.folder.join(RECORD);
        let context = &record.head().context;
        for rref in context.realizations() {
            let says = format!("says that it was made from {rref}");
            match self.store.is_known(rref) {
                Ok(true) => {}
                Ok(false) => {
                    let message = format!("{says}, which is not in the store");
                    self.fault(FaultKind::Context, &path, message);
                }
                Err(error) => {
                    let message =
                        format!("{says}, and it cannot be checked whether that is there: {error}");
                    self.fault(FaultKind::Unreadable, &path, message);
                }
            }
        }
        let Some(config) = config else {
            return;
        };
        if record.head().derivation != *config.digest() {
            return self.fault(FaultKind::Record, &path, "is of another derivation");
        }
        for misfit in context.misfits(config) {
            self.fault(FaultKind::Context, &path, misfit);
        }
        for lack in lacking_in(config, record) {
            self.found.notes.push(Note {
                path: self.folder.join(OUT).join(&lack.path),
                rref: self.id.clone(),
                message: lack.to_string(),
                is_promised: lack.is_promised,
                is_ahead: false,
            });
        }
    }

    fn look_at_time(&mut self, path: &Path, record: &BuildRecord) {
        // What is attached repeats the time of a build.
        if record.attached.is_none() && record.ended().is_none() {
            self.found.notes.push(Note {
                path: path.to_owned(),
                rref: self.id.clone(),
                message: format!("ends at {}, ahead of this machine's clock", record.stop),
                is_promised: false,
                is_ahead: true,
            });
        }
    }

    /// Checks types, sizes and modes against the record, and looks for entries that are not in it.
    fn compare_tree(&mut self, manifest: &Manifest) {
        let out = self.folder.join(OUT);
        // The expected names in each folder that exists.
        let mut folders: HashMap<&str, HashSet<&str>> = HashMap::new();
        if self.is_folder(&out) {
            folders.insert("", HashSet::new());
        }
        for entry in manifest.entries() {
            let (folder, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
            let Some(names) = folders.get_mut(folder) else {
                // The missing folder was already reported.
                continue;
            };
            names.insert(name);
            let path = out.join(&entry.path);
            if entry.kind == EntryKind::Dir {
                if self.is_folder(&path) {
                    folders.insert(&entry.path, HashSet::new());
                }
            } else {
                self.compare_entry(entry, path);
            }
        }
        for (folder, names) in folders {
            let folder = out.join(folder);
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.refused(&folder, &error);
                    continue;
                }
            };
            for entry in entries {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        self.refused(&folder, &error);
                        break;
                    }
                };
                let name = entry.file_name();
                if !name.to_str().is_some_and(|name| names.contains(name)) {
                    self.fault(FaultKind::Artifact, &entry.path(), "is not in its record");
                }
            }
        }
    }

    fn is_folder(&mut self, path: &Path) -> bool {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => {
                self.compare_mode(path, found.mode(), 0o555);
                true
            }
            found => {
                self.wrong(path, found, "folder");
                false
            }
        }
    }

    fn compare_entry(&mut self, entry: &Entry, path: PathBuf) {
        let found = fs::symlink_metadata(&path);
        match (&entry.kind, found) {
            (
                EntryKind::File {
                    digest,
                    size,
                    executable,
                },
                Ok(found),
            ) if found.is_file() => {
                self.compare_mode(&path, found.mode(), if *executable { 0o555 } else { 0o444 });
                if found.len() == *size {
                    self.found.files.push(ToRead {
                        id: self.id.clone(),
                        path,
                        digest: *digest,
                        size: *size,
                        linked: (found.nlink() > 1).then(|| (found.dev(), found.ino())),
                    });
                } else {
                    let message = format!("has {} bytes, and its record says {size}", found.len());
                    self.fault(FaultKind::Artifact, &path, message);
                }
            }
            (EntryKind::Link { target }, Ok(found)) if found.is_symlink() => {
                match fs::read_link(&path) {
                    Ok(there) if there == Path::new(target) => {}
                    Ok(_) => {
                        let message = "has another target than its record says";
                        self.fault(FaultKind::Artifact, &path, message);
                    }
                    Err(error) => self.refused(&path, &error),
                }
            }
            (EntryKind::File { .. }, found) => self.wrong(&path, found, "file"),
            (_, found) => self.wrong(&path, found, "link"),
        }
    }

    fn wrong(&mut self, path: &Path, found: io::Result<fs::Metadata>, wanted: &str) {
        match found {
            Ok(_) => self.fault(
                FaultKind::Artifact,
                path,
                format!("is not a {wanted}, unlike in its record"),
            ),
            Err(error) if is_damage(&error) => {
                self.fault(FaultKind::Artifact, path, "is missing");
            }
            Err(error) => self.refused(path, &error),
        }
    }

    fn compare_mode(&mut self, path: &Path, mode: u32, wanted: u32) {
        let mode = mode & 0o7777;
        if mode != wanted {
            let message = format!("has the mode {mode:o} instead of {wanted:o}");
            self.fault(FaultKind::Mode, path, message);
        }
    }
}

pub(super) fn about(
    id: &RRefId,
    kind: FaultKind,
    path: &Path,
    message: impl Into<String>,
) -> Fault {
    Fault {
        kind,
        path: path.to_owned(),
        dref: Some(id.dref().clone()),
        rref: Some(id.clone()),
        message: message.into(),
        dependents: Vec::new(),
    }
}

/// Returns the fault for an error that leaves the content unknown.
pub(super) fn unreadable(error: &io::Error) -> (FaultKind, String) {
    (FaultKind::Unreadable, format!("cannot be read: {error}"))
}

/// Formats an error as a predicate that follows a path.
pub(super) fn short(error: &Error) -> String {
    format!("is broken: {error}")
}

/// Reads a derivation's config, or returns its fault. Returns neither if it was removed in the meantime.
pub(super) fn examine_config(store: &Store, dref: &DRefId) -> (Option<ConfigJson>, Option<Fault>) {
    let folder = store.derivation_dir(dref);
    let path = folder.join(CONFIG);
    let error = match store.config(dref) {
        Ok(config) => return (Some(config), None),
        Err(error) => error,
    };
    if matches!(is_there(&folder), Ok(false)) {
        return (None, None);
    }
    let (kind, message) = match is_there(&path) {
        _ if !tells_of_damage(&error) => {
            (FaultKind::Unreadable, format!("cannot be read: {error}"))
        }
        Err(error) => (FaultKind::Unreadable, format!("cannot be read: {error}")),
        Ok(false) => (FaultKind::Config, "is missing".to_owned()),
        Ok(true) => (
            FaultKind::Config,
            "does not match the name of its folder".to_owned(),
        ),
    };
    let fault = Fault {
        kind,
        path,
        dref: Some(dref.clone()),
        rref: None,
        message,
        dependents: Vec::new(),
    };
    (None, Some(fault))
}
