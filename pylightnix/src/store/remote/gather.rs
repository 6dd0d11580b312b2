//! Gathering what a realization consists of, for a remote.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::line::{CONFIG_PART, MOST_IN_BUNDLE, OUT_PART, Part, RECORD_PART};
use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::disk::below::{open_file, open_folder};
use crate::store::disk::layout::OUT;
use crate::store::disk::regular;
use crate::store::object::build_files::build_files;
use crate::store::object::build_record::{BuildFile, BuildRecord};
use crate::store::object::record::Outcome;
use crate::store::object::seal::hash;
use crate::store::object::tree::EntryKind;
use crate::store::publish::complete::expect_complete;
use crate::{Error, ErrorKind, Result};

/// The size from which a file is a blob.
pub(super) const SMALL: u64 = 64 << 10;
/// The most bytes of files in a bundle; the rest is blobs. Leaves room for the record.
const MOST_FILES: u64 = MOST_IN_BUNDLE / 2;

/// What a realization consists of.
pub(super) struct Gathered {
    pub(super) outcome: Outcome,
    /// The bytes of all artifacts.
    pub(super) size: u64,
    pub(super) deps: Vec<RRefId>,
    pub(super) builds: Vec<BuildRecord>,
    pub(super) parts: Vec<Part>,
    /// The bytes of the parts that are no blobs.
    pub(super) bytes: Vec<u8>,
    /// The files that are blobs, each with its size.
    pub(super) blobs: BTreeMap<Digest, (PathBuf, u64)>,
    /// The blobs among them that are artifacts.
    pub(super) artifacts: BTreeMap<Digest, u64>,
    /// The fingerprints that build records name.
    pub(super) fingerprints: BTreeSet<String>,
}

/// Returns the names of the files in the folder of a realization that belong to builds, sorted.
pub(super) fn beside(folder: &Path) -> Result<Vec<String>> {
    let files = build_files(folder)?.into_iter();
    let mut names: Vec<String> = files
        .filter_map(|(_, name)| name.into_string().ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Leaves out build records that cannot be read, which are never pushed, and the files that belong to them.
pub(super) fn readable(store: &Store, rref: &RRefId, mut names: Vec<String>) -> Vec<String> {
    let Ok(folder) = store.records_dir(rref) else {
        return names;
    };
    let unreadable: Vec<String> = (names.iter())
        .filter(|name| match BuildRecord::kind_of(name.as_bytes()) {
            Some(BuildFile::Record(id)) => {
                let bytes = regular::read(&folder.join(name));
                bytes.is_ok_and(|bytes| BuildRecord::from_bytes(id, &bytes).is_none())
            }
            _ => false,
        })
        .filter_map(|name| name.strip_suffix("json").map(str::to_owned))
        .collect();
    names.retain(|name| !unreadable.iter().any(|start| name.starts_with(start)));
    names
}

/// Gathers everything of a realization, and verifies every byte that the record lists.
pub(super) fn gather(store: &Store, rref: &RRefId) -> Result<Gathered> {
    let config = store.config(rref.dref())?;
    let record = store.record(rref)?;
    store.expect_files(rref)?;
    expect_complete(store, rref, &config, &record, "pushed")?;
    let head = record.head();
    let mut gathered = Gathered::of(head.outcome);
    gathered.deps.extend(head.context.realizations().cloned());
    gathered.put(RECORD_PART, record.to_text().as_bytes());
    gathered.put(CONFIG_PART, config.text().as_bytes());
    let begin = gathered.bytes.len();
    let place = store.realization_dir(rref).join(OUT);
    let out = open_folder(&place)?;
    for entry in record.manifest().entries() {
        let EntryKind::File { digest, size, .. } = &entry.kind else {
            continue;
        };
        let path = place.join(&entry.path);
        gathered.size = gathered.size.saturating_add(*size);
        let inside = (gathered.bytes.len() - begin) as u64;
        // A file that is a blob already is not in the bundle as well: readers look there by its digest.
        let is_blob =
            *size > SMALL || inside + size > MOST_FILES || gathered.artifacts.contains_key(digest);
        let open =
            open_file(&out, &entry.path).map_err(|errno| Error::io("open", &path, errno.into()))?;
        let refused = |error| Error::io("read", &path, error);
        if is_blob {
            if !gathered.artifacts.contains_key(digest) {
                let found = hash(&open).map_err(refused)?;
                if found != (*digest, *size) {
                    return Err(damaged(rref, &path));
                }
                gathered.artifacts.insert(*digest, *size);
                gathered.blobs.insert(*digest, (path, *size));
            }
            continue;
        }
        let from = gathered.bytes.len();
        open.take(size + 1)
            .read_to_end(&mut gathered.bytes)
            .map_err(refused)?;
        let found = &gathered.bytes[from..];
        if found.len() as u64 != *size || Digest::of(found) != *digest {
            return Err(damaged(rref, &path));
        }
    }
    gathered.parts.push(Part {
        name: OUT_PART.to_owned(),
        size: (gathered.bytes.len() - begin) as u64,
        blob: None,
    });
    let names = beside(&store.realization_dir(rref))?;
    gathered.add_beside(store, rref, &names)?;
    Ok(gathered)
}

/// Gathers only these files beside the record of a realization.
pub(super) fn gather_beside(store: &Store, rref: &RRefId, names: &[String]) -> Result<Gathered> {
    let mut gathered = Gathered::of(Outcome::Ok);
    gathered.add_beside(store, rref, names)?;
    Ok(gathered)
}

impl Gathered {
    fn of(outcome: Outcome) -> Self {
        Gathered {
            outcome,
            size: 0,
            deps: Vec::new(),
            builds: Vec::new(),
            parts: Vec::new(),
            bytes: Vec::new(),
            blobs: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            fingerprints: BTreeSet::new(),
        }
    }

    fn put(&mut self, name: &str, bytes: &[u8]) {
        self.parts.push(Part {
            name: name.to_owned(),
            size: bytes.len() as u64,
            blob: None,
        });
        self.bytes.extend_from_slice(bytes);
    }

    fn add_beside(&mut self, store: &Store, rref: &RRefId, names: &[String]) -> Result<()> {
        let folder = store.records_dir(rref)?;
        for name in names {
            let path = folder.join(name);
            let kind = BuildRecord::kind_of(name.as_bytes());
            let refused = |error| Error::io("read", &path, error);
            let (file, size) = match regular::open_regular(&path) {
                // Removed in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened.map_err(refused)?,
            };
            if size > SMALL && matches!(kind, Some(BuildFile::Log(_))) {
                let (digest, size) = hash(&file).map_err(refused)?;
                self.parts.push(Part {
                    name: name.clone(),
                    size,
                    blob: Some(digest),
                });
                self.blobs.insert(digest, (path, size));
                continue;
            }
            let mut bytes = Vec::new();
            (&file).read_to_end(&mut bytes).map_err(refused)?;
            if let Some(BuildFile::Record(id)) = kind {
                // One that cannot be read here could not be read there either.
                let Some(build) = BuildRecord::from_bytes(id, &bytes) else {
                    continue;
                };
                self.fingerprints.extend(build.fingerprint.iter().cloned());
                self.fingerprints.extend(build.accepted.iter().cloned());
                if build.attached.is_none() {
                    self.builds.push(build);
                }
            }
            self.put(name, &bytes);
        }
        Ok(())
    }
}

fn damaged(rref: &RRefId, path: &Path) -> Error {
    let text = format!(
        "{rref} cannot be pushed: {} does not match the digest in its record",
        path.display()
    );
    Error::new(ErrorKind::Store, text)
        .at(path)
        .with_help("`check` the store, and `repair` it")
}
