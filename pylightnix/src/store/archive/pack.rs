//! Writing archives.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use uuid::Uuid;

use super::writer::{Artifact, Out, Writer};
use super::{EXECUTABLE_MODE, FILE_MODE, FOLDER_MODE};
use crate::config::{ConfigJson, DRefId, RRefId};
use crate::store::Store;
use crate::store::lacking::expect_complete;
use crate::store::layout::{CONFIG, OUT, RECORD};
use crate::store::there::is_there;
use crate::store::tree::{Entry, EntryKind};
use crate::{Error, ErrorKind, Result};

/// How realizations are packed into an archive.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `write` is called"]
pub struct Pack<'a> {
    store: &'a Store,
    builds: bool,
}

impl<'a> Pack<'a> {
    /// Packs realizations of `store`, with their build records.
    pub fn new(store: &'a Store) -> Self {
        Pack {
            store,
            builds: true,
        }
    }

    /// Leaves out the build records and logs, which tell hosts, users and commands. Whoever unpacks the archive has to
    /// accept the results first, as nothing says by which code they were made.
    pub fn without_builds(mut self) -> Self {
        self.builds = false;
        self
    }

    /// Writes these realizations and all that they were made from.
    ///
    /// # Errors
    /// See [`Store::pack`].
    pub fn write<R: AsRef<RRefId>>(
        self,
        roots: impl IntoIterator<Item = R>,
        archive: impl AsRef<Path>,
    ) -> Result<()> {
        let roots: Vec<RRefId> = roots
            .into_iter()
            .map(|root| root.as_ref().clone())
            .collect();
        self.store.use_derivations(roots.iter().map(RRefId::dref))?;
        let all = closure(self.store, roots)?;
        let archive = archive.as_ref();
        let Some(name) = archive.file_name() else {
            return Err(Error::new(
                ErrorKind::Archive,
                format!("{} cannot be the name of an archive", archive.display()),
            ));
        };
        expect_replaceable(archive)?;
        // What a link leads to is the archive, and the link stays.
        let archive = &fs::canonicalize(archive).unwrap_or_else(|_| archive.to_owned());
        let beside = format!(".{}.{}", name.display(), Uuid::now_v7());
        let beside = archive.with_file_name(beside);
        let done = Writer::create(&beside)
            .and_then(|writer| self.fill(writer, &all))
            .and_then(|()| {
                fs::rename(&beside, archive).map_err(|error| Error::io("create", archive, error))
            });
        if done.is_err() {
            let _ = fs::remove_file(&beside);
        }
        done?;
        let folder = match archive.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        self.store.durability().sync_folder(folder)
    }

    fn fill(&self, mut writer: Writer, all: &BTreeMap<DRefId, BTreeSet<RRefId>>) -> Result<()> {
        for (dref, rrefs) in all {
            let folder = dref.folder();
            let config = self.store.config(dref)?;
            writer.store(&format!("{folder}/{CONFIG}"), config.text().as_bytes())?;
            for rref in rrefs {
                self.fill_realization(&mut writer, rref, &config)?;
            }
        }
        writer.finish(self.store.durability())
    }

    fn fill_realization(
        &self,
        writer: &mut Writer,
        rref: &RRefId,
        config: &ConfigJson,
    ) -> Result<()> {
        let prefix = format!("{}/{}", rref.dref().folder(), rref.folder());
        let record = self.store.record(rref)?;
        let place = self.store.realization_dir(rref);
        expect_complete(self.store, rref, config, &record)?;
        writer.store(&format!("{prefix}/{RECORD}"), record.to_text().as_bytes())?;
        if self.builds {
            for build in self.store.realization(rref)?.builds() {
                let name = build.file_name();
                writer.store_file(&format!("{prefix}/{name}"), &place.join(&name))?;
                let name = build.log_name();
                if is_there(&place.join(&name))? {
                    writer.log(&format!("{prefix}/{name}"), &place.join(&name))?;
                }
            }
        }
        writer.folder(&format!("{prefix}/{OUT}"))?;
        let mut artifacts = Vec::new();
        let mut links = Vec::new();
        for Entry { path, kind } in record.manifest().entries() {
            let name = format!("{prefix}/{OUT}/{path}");
            match kind {
                EntryKind::Dir => artifacts.push(Artifact {
                    name: name + "/",
                    path,
                    mode: FOLDER_MODE,
                    digest: None,
                    size: 0,
                }),
                EntryKind::File {
                    digest,
                    size,
                    executable,
                } => artifacts.push(Artifact {
                    name,
                    path,
                    mode: match executable {
                        true => EXECUTABLE_MODE,
                        false => FILE_MODE,
                    },
                    digest: Some(digest),
                    size: *size,
                }),
                EntryKind::Link { target } => links.push((name, target)),
            }
        }
        let out = Out::open(place.join(OUT))?;
        writer.artifacts(&out, &artifacts)?;
        for (name, target) in links {
            writer.link(&name, target)?;
        }
        Ok(())
    }
}

/// These realizations and all that they were made from, by derivation.
fn closure(store: &Store, roots: Vec<RRefId>) -> Result<BTreeMap<DRefId, BTreeSet<RRefId>>> {
    let mut all: BTreeMap<DRefId, BTreeSet<RRefId>> = BTreeMap::new();
    let mut next = roots;
    while let Some(rref) = next.pop() {
        if all
            .entry(rref.dref().clone())
            .or_default()
            .insert(rref.clone())
        {
            next.extend(store.realization(&rref)?.context.realizations().cloned());
        }
    }
    Ok(all)
}

/// That there is nothing at `path` but what may be replaced: an archive of realizations, or an empty file.
fn expect_replaceable(path: &Path) -> Result<()> {
    let refused = |what: &str| {
        let message = format!(
            "{} is there, and is {what}: nothing was written",
            path.display()
        );
        Error::new(ErrorKind::Archive, message).at(path).help(
            "give the archive another name, or remove what is there; the first argument is the archive, the others are the results to pack: \
             `pylightnix pack ARCHIVE REF..`",
        )
    };
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|error| Error::io("look at", path, error))?,
    };
    if !found.is_file() {
        return Err(refused("no file"));
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST_START).read_to_end(&mut start))
        .map_err(|error| Error::io("read", path, error))?;
    if start.is_empty() || is_archive(&start) {
        return Ok(());
    }
    Err(refused("no archive of realizations"))
}

/// A local header and the longest name after it.
const LONGEST_START: u64 = 30 + 600;

/// Whether a file that begins so is an archive of realizations: its first entry is the config of a derivation (APPNOTE.TXT
/// of PKWARE, 4.3.7), or it has none (4.3.16).
fn is_archive(start: &[u8]) -> bool {
    if start.starts_with(b"PK\x05\x06") {
        return true;
    }
    let name = || {
        let header = start.strip_prefix(b"PK\x03\x04")?;
        let length = header.get(22..24)?;
        let length = u16::from_le_bytes([length[0], length[1]]);
        let name = header.get(26..26 + usize::from(length))?;
        let folder = std::str::from_utf8(name).ok()?.strip_suffix(CONFIG)?;
        DRefId::from_folder(folder.strip_suffix('/')?)
    };
    name().is_some()
}
