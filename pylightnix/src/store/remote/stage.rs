//! Staging what arrives from a remote: it is compared with the reference that was asked for, and with what the index said.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::line::{LineBuild, OUT_PART, RealizationLine};
use super::objects::Remote;
use crate::config::{ConfigJson, Digest, RRefId};
use crate::keys::KeyId;
use crate::store::disk::below::{create_file, open_folder};
use crate::store::disk::durable::Durability;
use crate::store::disk::layout::{OUT, RECORD, TAKEN_FROM};
use crate::store::disk::unsynced::Unsynced;
use crate::store::object::build_record::{BuildFile, BuildRecord};
use crate::store::object::context::Context;
use crate::store::object::record::{Record, reference};
use crate::store::object::seal::{finish, seal_folders};
use crate::store::object::signature::SignatureFile;
use crate::store::object::tree::EntryKind;
use crate::store::object::violation::lacking_in;
use crate::{Error, Result};

/// A realization from a remote, in a folder of its own.
pub(super) struct Arrived {
    pub(super) rref: RRefId,
    pub(super) config: ConfigJson,
    pub(super) record: Record,
    /// The text of the record.
    pub(super) text: String,
    pub(super) folder: PathBuf,
    /// Whether only files beside the record are staged, as the realization is here.
    pub(super) is_here: bool,
    /// The files that are still to be written: their blobs, and where they belong.
    pub(super) lacking: Vec<LackingFile>,
    /// The fingerprints that its build records name.
    pub(super) fingerprints: Vec<String>,
    has_record: bool,
}

/// A file that is a blob.
pub(super) struct LackingFile {
    pub(super) blob: Digest,
    pub(super) size: u64,
    pub(super) path: PathBuf,
    pub(super) executable: bool,
    /// Whether it is an artifact, and is made read-only.
    pub(super) is_artifact: bool,
}

/// A record, and the build records, each with the keys of its valid signatures.
type SignedRecords = (Record, Vec<(BuildRecord, Vec<KeyId>)>);

/// The parts of a bundle.
struct Parts<'b> {
    text: &'b str,
    config: ConfigJson,
    out: &'b [u8],
    /// The files beside the record: their bytes, or the blobs that they are.
    beside: BTreeMap<&'b str, Result<&'b [u8], (Digest, u64)>>,
}

/// Checks the bytes of a bundle against the reference and the line, and stages them in the new folder `folder`. An error of the kind
/// `Remote` is about what arrived, and any other about this machine.
pub(super) fn stage(
    remote: &Remote,
    line: &RealizationLine,
    bytes: &[u8],
    folder: &Path,
    is_here: bool,
    unsynced: &mut Unsynced,
) -> Result<Arrived> {
    let rref = &line.rref;
    let refused = |why: &str| refused(remote, rref, why);
    let parts = cut(line, bytes).map_err(|why| refused(&why))?;
    let record = checked(line, &parts).map_err(|why| refused(&why))?;
    let (builds, fingerprints) = builds(line, &parts).map_err(|why| refused(&why))?;
    let make = |path: &Path| {
        std::fs::create_dir(path).map_err(|error| Error::io("create the folder", path, error))
    };
    make(folder)?;
    let mut arrived = Arrived {
        rref: rref.clone(),
        text: parts.text.to_owned(),
        folder: folder.to_owned(),
        is_here,
        lacking: Vec::new(),
        fingerprints,
        has_record: false,
        config: parts.config,
        record,
    };
    if !is_here {
        arrived.stage_out(line, parts.out, unsynced, &refused)?;
    }
    for name in builds {
        let path = folder.join(name);
        match parts.beside.get(name) {
            Some(Ok(bytes)) => unsynced.create(&path, bytes)?,
            Some(Err((blob, size))) => arrived.lacking.push(LackingFile {
                blob: *blob,
                size: *size,
                path,
                executable: false,
                is_artifact: false,
            }),
            None => {}
        }
    }
    Ok(arrived)
}

/// Checks the bytes of a bundle as [`stage`] does, without writing anything. The error says what is wrong.
pub(super) fn examine(line: &RealizationLine, bytes: &[u8]) -> Result<(), String> {
    let parts = cut(line, bytes)?;
    let record = checked(line, &parts)?;
    builds(line, &parts)?;
    let blobs: HashMap<Digest, u64> = line.blobs.iter().copied().collect();
    let mut rest = parts.out;
    for entry in record.manifest().entries() {
        let EntryKind::File { digest, size, .. } = &entry.kind else {
            continue;
        };
        let is_right = match blobs.get(digest) {
            Some(said) => said == size,
            None => {
                let length = usize::try_from(*size).ok();
                let cut = length.and_then(|length| rest.split_at_checked(length));
                let (content, after) = cut.ok_or_else(|| "it lacks a file".to_owned())?;
                rest = after;
                Digest::of(content) == *digest
            }
        };
        if !is_right {
            let path = &entry.path;
            return Err(format!("its file {path:?} is not what its record says"));
        }
    }
    match rest.is_empty() {
        true => Ok(()),
        false => Err(format!("its part `{OUT_PART}` is longer than its files")),
    }
}

/// Checks the records in a bundle as [`stage`] does, and returns the record with the build records, each with the keys of its valid
/// signatures. Looks at no artifact. The error says what is wrong.
pub(super) fn records(line: &RealizationLine, bytes: &[u8]) -> Result<SignedRecords, String> {
    let parts = cut(line, bytes)?;
    let record = checked(line, &parts)?;
    let (names, _) = builds(line, &parts)?;
    let mut keys: HashMap<Uuid, Vec<KeyId>> = HashMap::new();
    let mut found = Vec::new();
    for name in names {
        match (
            BuildRecord::kind_of(name.as_bytes()),
            parts.beside.get(name),
        ) {
            (Some(BuildFile::Record(id)), Some(Ok(bytes))) => {
                found.extend(BuildRecord::from_bytes(id, bytes));
            }
            (Some(BuildFile::Signature(id, key)), _) => keys.entry(id).or_default().push(key),
            _ => {}
        }
    }
    found.retain(|build| build.attached.is_none());
    let signed = |build: BuildRecord| {
        let keys = keys.remove(&build.id).unwrap_or_default();
        (build, keys)
    };
    Ok((record, found.into_iter().map(signed).collect()))
}

/// Notes in the folder of a realization from which remote it is taken.
pub(super) fn note_source(remote: &Remote, folder: &Path, unsynced: &mut Unsynced) -> Result<()> {
    let url = format!("{}\n", remote.url());
    unsynced.create(&folder.join(TAKEN_FROM), url.as_bytes())
}

/// Returns the error for a realization that is not what it has to be; `why` is a predicate of what arrived.
pub(super) fn refused(remote: &Remote, rref: &RRefId, why: &str) -> Error {
    let text = format!(
        "{rref} is not taken from the remote {}: {why}",
        remote.url()
    );
    Error::new(crate::ErrorKind::Remote, text)
        .with_help("nothing of it was published; `remote verify` finds all that is broken there")
}

/// Cuts a bundle into its parts.
fn cut<'b>(line: &'b RealizationLine, bytes: &'b [u8]) -> Result<Parts<'b>, String> {
    let mut rest = bytes;
    let mut next = |size: u64| {
        let size = usize::try_from(size).ok()?;
        let (part, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(part)
    };
    let short = || "its bundle is shorter than its parts".to_owned();
    let (mut head, mut beside) = (Vec::new(), BTreeMap::new());
    for (at, part) in line.bundle.parts.iter().enumerate() {
        let found = match part.blob {
            Some(blob) => Err((blob, part.size)),
            None => Ok(next(part.size).ok_or_else(short)?),
        };
        match (at, found) {
            (0..3, Ok(bytes)) => head.push(bytes),
            (_, found) => drop(beside.insert(part.name.as_str(), found)),
        }
    }
    let [text, config, out] = head.as_slice() else {
        return Err(short());
    };
    let config = ConfigJson::from_canonical(config);
    Ok(Parts {
        text: std::str::from_utf8(text).map_err(|_| "its record is no text".to_owned())?,
        config: config.map_err(|error| format!("its config is none: {error}"))?,
        out,
        beside,
    })
}

/// Checks the record and the config as unpacking does, and then against the line.
fn checked(line: &RealizationLine, parts: &Parts<'_>) -> Result<Record, String> {
    let (rref, config) = (&line.rref, &parts.config);
    if reference(rref.dref(), parts.text) != *rref {
        return Err("its record does not match the hash in the reference".to_owned());
    }
    let record = Record::parse(parts.text).map_err(|error| error.to_string())?;
    let head = record.head();
    if config.id() != rref.dref() || head.derivation != *config.digest() {
        return Err("its config is that of another derivation".to_owned());
    }
    if let Some(misfit) = head.context.misfits(config).next() {
        return Err(format!("it {misfit}"));
    }
    if let Some(lack) = lacking_in(config, &record).first() {
        return Err(format!("{} {lack}", lack.path));
    }
    let said: Context = line.deps.iter().cloned().collect();
    if said != head.context || line.outcome != head.outcome {
        return Err("its record is not what the index says".to_owned());
    }
    Ok(record)
}

/// Checks the build records, and returns the names of all files of builds, with the fingerprints that the records name.
fn builds<'b>(
    line: &'b RealizationLine,
    parts: &Parts<'b>,
) -> Result<(Vec<&'b str>, Vec<String>), String> {
    let mut said: HashMap<_, &LineBuild> =
        line.builds.iter().map(|build| (build.id, build)).collect();
    let (mut names, mut fingerprints) = (Vec::new(), Vec::new());
    let mut ids = HashMap::new();
    for (name, found) in &parts.beside {
        let Some(BuildFile::Record(id)) = BuildRecord::kind_of(name.as_bytes()) else {
            continue;
        };
        let Ok(bytes) = found else {
            // Build records are compared with the index, so that they have to be here.
            return Err(format!("its {name} is a blob, and has to be in the bundle"));
        };
        let build = BuildRecord::from_bytes(id, bytes);
        let build = build.ok_or_else(|| format!("its {name} is no build record"))?;
        let is_as_said = match said.remove(&id) {
            Some(said) => *said == LineBuild::of(&build),
            None => build.attached.is_some(),
        };
        if !is_as_said {
            return Err(format!("its {name} is not what the index says"));
        }
        fingerprints.extend(build.fingerprint.into_iter().chain(build.accepted));
        ids.insert(id, Digest::of(bytes));
        names.push(*name);
    }
    if let Some(id) = said.keys().min() {
        return Err(format!(
            "the index names its build {id}, whose record is not there"
        ));
    }
    let record = Digest::of(parts.text.as_bytes());
    for (name, found) in &parts.beside {
        // Files of a later version are passed over, logs without a record, and signatures that are none.
        let counts = match BuildRecord::kind_of(name.as_bytes()) {
            Some(BuildFile::Log(id)) => ids.contains_key(&id),
            Some(BuildFile::Signature(id, key)) => found.is_ok_and(|bytes| {
                let signature = SignatureFile::parse(key, bytes).zip(ids.get(&id));
                signature.is_some_and(|(signature, build)| signature.is_of(&record, build))
            }),
            _ => false,
        };
        if counts {
            names.push(*name);
        }
    }
    Ok((names, fingerprints))
}

impl Arrived {
    /// Writes the artifacts that are in the bundle, and the links and folders.
    fn stage_out(
        &mut self,
        line: &RealizationLine,
        bytes: &[u8],
        unsynced: &mut Unsynced,
        refused: &dyn Fn(&str) -> Error,
    ) -> Result<()> {
        let out = self.folder.join(OUT);
        let not_made = |path: &str, error: std::io::Error| match error.kind() {
            // Paths in a record are unique.
            std::io::ErrorKind::AlreadyExists => refused(&format!(
                "its file {path:?} has a name that this file system does not distinguish from another"
            )),
            std::io::ErrorKind::InvalidFilename => refused(&format!(
                "the path of its file {path:?} is too long for the system"
            )),
            _ => Error::io("create", &out.join(path), error),
        };
        std::fs::create_dir(&out).map_err(|error| Error::io("create the folder", &out, error))?;
        let opened = open_folder(&out)?;
        let blobs: HashMap<Digest, u64> = line.blobs.iter().copied().collect();
        let mut rest = bytes;
        for entry in self.record.manifest().entries() {
            match &entry.kind {
                EntryKind::Link { .. } => {}
                EntryKind::Dir => std::fs::create_dir(out.join(&entry.path))
                    .map_err(|error| not_made(&entry.path, error))?,
                EntryKind::File {
                    digest,
                    size,
                    executable,
                } => {
                    let path = out.join(&entry.path);
                    if let Some(said) = blobs.get(digest) {
                        if said != size {
                            return Err(refused("its files are not what the index says"));
                        }
                        self.lacking.push(LackingFile {
                            blob: *digest,
                            size: *size,
                            path,
                            executable: *executable,
                            is_artifact: true,
                        });
                        continue;
                    }
                    let length = usize::try_from(*size).ok();
                    let cut = length.and_then(|length| rest.split_at_checked(length));
                    let Some((content, after)) = cut else {
                        return Err(refused("the index lacks one of its files"));
                    };
                    if Digest::of(content) != *digest {
                        return Err(refused(&format!(
                            "its file {:?} does not match the hash in its record",
                            entry.path
                        )));
                    }
                    rest = after;
                    let file = create_file(&opened, &entry.path)
                        .map_err(|errno| not_made(&entry.path, errno.into()))?;
                    let write = std::io::Write::write_all(&mut (&file), content);
                    write.map_err(|error| Error::io("write", &path, error))?;
                    // Synced with the others, later.
                    finish(&file, &path, *executable, Durability::None)?;
                    unsynced.file(&path, file);
                }
            }
        }
        match rest.is_empty() {
            true => Ok(()),
            false => Err(refused(&format!(
                "its part `{OUT_PART}` is longer than its files"
            ))),
        }
    }

    /// Whether artifacts are still to be fetched.
    pub(super) fn lacks_artifacts(&self) -> bool {
        self.lacking.iter().any(|file| file.is_artifact)
    }

    /// Writes the record, unless it is written.
    pub(super) fn put_record(&mut self, unsynced: &mut Unsynced) -> Result<()> {
        if !self.has_record {
            unsynced.create(&self.folder.join(RECORD), self.text.as_bytes())?;
            self.has_record = true;
        }
        Ok(())
    }

    /// Makes the links and ends the folders, once all files are there.
    pub(super) fn finish(&mut self, remote: &Remote, unsynced: &mut Unsynced) -> Result<()> {
        if !self.is_here {
            let out = self.folder.join(OUT);
            let entries = self.record.manifest().entries();
            // Links come last, so that no file is written through one.
            for entry in entries {
                if let EntryKind::Link { target } = &entry.kind {
                    let path = out.join(&entry.path);
                    symlink(target, &path)
                        .map_err(|error| Error::io("create the link", &path, error))?;
                }
            }
            let folders = entries.iter().filter(|entry| entry.kind == EntryKind::Dir);
            seal_folders(&out, folders.map(|entry| entry.path.as_str()), unsynced)?;
            self.put_record(unsynced)?;
            note_source(remote, &self.folder, unsynced)?;
        }
        unsynced.folder(&self.folder);
        Ok(())
    }
}
