//! Writing archives.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Seek as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::members::Members;
use super::writer::{Out, Writer};
use super::{CODE, CODE_ITEMS};
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::layout::{CONFIG, OUT, RECORD};
use crate::store::disk::spool::unnamed;
use crate::store::disk::target::{Target, unused_sibling};
use crate::store::disk::there::is_there;
use crate::store::object::code_list::CodeList;
use crate::store::publish::complete::expect_complete;
use crate::store::publish::exportable::{Exportable, IncompleteBuilds};
use crate::store::transfer::{Lacking, Offer};
use crate::{Error, ErrorKind, Result};

/// A pack operation with its options.
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `write` is called"]
pub struct Pack<'a> {
    store: &'a Store,
    builds: bool,
    /// Those of which only the build records are packed.
    outlines: BTreeSet<RRefId>,
    /// Whether stubs are packed as what they are.
    stubs: bool,
    unreadable: Option<&'a Mutex<Unreadable>>,
}

/// Realizations that cannot be packed, with the errors.
type Unreadable = Vec<(RRefId, Error)>;

/// Realizations grouped by derivation.
type All = BTreeMap<DRefId, BTreeSet<RRefId>>;

/// The result of packing.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Packed {
    /// The requested realizations. The archive contains their dependencies as well.
    pub roots: Vec<RRefId>,
    /// The size of the archive, in bytes.
    #[serde(rename = "size_bytes")]
    pub bytes: u64,
    /// Whether the archive was written to a pipe or a device rather than to a regular file.
    #[serde(skip)]
    pub is_stream: bool,
    /// Why others were left out. Only [`Pack::write_every`] leaves anything out.
    #[serde(skip)]
    pub left_out: Vec<Error>,
}

impl<'a> Pack<'a> {
    /// Prepares to pack realizations of `store` with their build records.
    pub fn new(store: &'a Store) -> Self {
        Pack {
            store,
            builds: true,
            outlines: BTreeSet::new(),
            stubs: false,
            unreadable: None,
        }
    }

    /// Packs the records alone of realizations whose files are not in the store: see
    /// [`Realization::is_stub`](crate::store::Realization::is_stub). Otherwise their files are fetched first. The recipient unpacks the archive with
    /// [`Unpack::stubs`](super::Unpack::stubs).
    pub fn stubs(mut self) -> Self {
        self.stubs = true;
        self
    }

    /// Leaves out build records and logs, which reveal host names, user names and command lines. The recipient then has to
    /// accept the results, as the code that made them is unknown.
    pub fn without_builds(mut self) -> Self {
        self.builds = false;
        self
    }

    /// Packs realizations with all their dependencies into a file.
    ///
    /// # Errors
    /// See [`Store::pack`].
    pub fn write<R: AsRef<RRefId>>(
        self,
        roots: impl IntoIterator<Item = R>,
        archive: impl AsRef<Path>,
    ) -> Result<Packed> {
        let roots: Vec<RRefId> = all_of(roots);
        let (bytes, is_stream) = self.written(&roots, archive.as_ref())?;
        Ok(Packed {
            roots,
            bytes,
            is_stream,
            left_out: Vec::new(),
        })
    }

    /// Packs all intact realizations of the store into a file. Leaves out realizations that are unreadable, that publishing
    /// would reject today, or that come from an incomplete multi-run build, with all their dependents.
    ///
    /// ```
    /// # use pylightnix::store::{Pack, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let packed = Pack::new(&store).write_every(folder.path().join("all.zip"))?;
    /// for error in &packed.left_out {
    ///     eprintln!("left out: {error}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails if the archive cannot be written, or if a system call fails.
    pub fn write_every(self, archive: impl AsRef<Path>) -> Result<Packed> {
        self.exportable(|pack, roots| pack.written(roots, archive.as_ref()))
    }

    /// Packs all intact realizations of the store into a stream.
    ///
    /// # Errors
    /// As [`write_every`](Self::write_every).
    pub fn write_every_to(self, to: &mut impl io::Write) -> Result<Packed> {
        let name = Path::new("the stream");
        self.exportable(|pack, roots| Ok((pack.streamed(&pack.all(roots)?, to, name)?, true)))
    }

    /// Packs repeatedly, each time without the realizations that failed, until all the rest succeed. `write` returns the size
    /// of the archive, and whether it was written to a stream.
    fn exportable(
        self,
        mut write: impl FnMut(Pack<'_>, &[RRefId]) -> Result<(u64, bool)>,
    ) -> Result<Packed> {
        let mut exportable = match self.stubs {
            true => Exportable::with_stubs(self.store, IncompleteBuilds::LeftOut)?,
            false => Exportable::of(self.store, IncompleteBuilds::LeftOut)?,
        };
        loop {
            let roots = exportable.rrefs();
            let unreadable = Mutex::default();
            let noting = Pack {
                unreadable: Some(&unreadable),
                ..self.clone()
            };
            let written = write(noting, &roots);
            let unreadable = unreadable.into_inner();
            let unreadable = unreadable.unwrap_or_else(PoisonError::into_inner);
            if unreadable.is_empty() {
                let (bytes, is_stream) = written?;
                return Ok(Packed {
                    roots,
                    bytes,
                    is_stream,
                    left_out: exportable.left_out,
                });
            }
            exportable.leave_out(unreadable);
        }
    }

    /// Packs into a stream. The archive is first assembled in a temporary file, as some headers are written last.
    ///
    /// ```
    /// # use pylightnix::store::{Pack, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let mut archive = Vec::new(); // or a connection
    /// let packed = Pack::new(&store).write_to(store.rrefs()?, &mut archive)?;
    /// assert_eq!(packed.bytes, archive.len() as u64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`Store::pack`].
    pub fn write_to<R: AsRef<RRefId>>(
        self,
        roots: impl IntoIterator<Item = R>,
        to: &mut impl io::Write,
    ) -> Result<Packed> {
        let roots = all_of(roots);
        let bytes = self.streamed(&self.all(&roots)?, to, Path::new("the stream"))?;
        Ok(Packed {
            roots,
            bytes,
            is_stream: true,
            left_out: Vec::new(),
        })
    }

    /// Packs into a stream what another store [lacks](Store::lacking) of an [offer](Store::offer): only that, and not what it was made
    /// from. The other store reads it with [`Unpack::thin`](super::Unpack::thin).
    ///
    /// # Errors
    /// See [`Store::pack`].
    pub fn write_lacking_to(
        mut self,
        offer: &Offer,
        lacking: &Lacking,
        to: &mut impl io::Write,
    ) -> Result<Packed> {
        let (whole, outlines) = lacking.of(offer);
        self.outlines = outlines.iter().copied().cloned().collect();
        let roots: Vec<RRefId> = whole.into_iter().chain(outlines).cloned().collect();
        self.store.use_derivations(roots.iter().map(RRefId::dref))?;
        let mut all = All::new();
        for rref in &roots {
            all.entry(rref.dref().clone())
                .or_default()
                .insert(rref.clone());
        }
        let bytes = self.streamed(&all, to, Path::new("the stream"))?;
        Ok(Packed {
            roots,
            bytes,
            is_stream: true,
            left_out: Vec::new(),
        })
    }

    /// Packs into the file, pipe or device `archive`. Returns the size, and whether it is a stream.
    fn written(&self, roots: &[RRefId], archive: &Path) -> Result<(u64, bool)> {
        let all = self.all(roots)?;
        if archive.file_name().is_none() {
            return Err(Error::new(
                ErrorKind::Archive,
                format!("{} cannot be the name of an archive", archive.display()),
            ));
        }
        let what = "an archive of realizations";
        let target = Target::check(archive, what, LONGEST_START, is_archive).map_err(|error| {
            error.more_help(
                "the first argument is the archive, the others are the results to pack: `pylightnix pack ARCHIVE REF..`",
            )
        })?;
        match target {
            Target::Stream(mut stream) => Ok((self.streamed(&all, &mut stream, archive)?, true)),
            Target::File(path) => Ok((self.replace(&all, &path)?, false)),
        }
    }

    /// Returns the realizations to pack, grouped by derivation.
    fn all(&self, roots: &[RRefId]) -> Result<All> {
        self.store.use_derivations(roots.iter().map(RRefId::dref))?;
        let all = closure(self.store, roots.to_vec())?;
        if !self.stubs {
            self.store.fetch(all.values().flatten())?;
        }
        Ok(all)
    }

    /// Creates or replaces the file at `path`, and returns its size.
    fn replace(&self, all: &All, path: &Path) -> Result<u64> {
        let beside = unused_sibling(path);
        let refused = |error| Error::io("create", path, error);
        let done = Writer::create(&beside)
            .and_then(|writer| self.fill(writer, all))
            .and_then(|bytes| {
                fs::rename(&beside, path).map_err(refused)?;
                Ok(bytes)
            });
        if done.is_err() {
            let _ = fs::remove_file(&beside);
        }
        let bytes = done?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        self.store.durability().sync_folder(folder)?;
        Ok(bytes)
    }

    fn streamed(&self, all: &All, to: &mut impl io::Write, name: &Path) -> Result<u64> {
        let folder = self.store.layout().tmp();
        let mut file = unnamed(&folder)?;
        let unread = |error| Error::io("read a file in", &folder, error);
        let writer = Writer::of(file.try_clone().map_err(unread)?, &folder);
        let bytes = self.fill(writer, all)?;
        file.rewind().map_err(unread)?;
        io::copy(&mut file, to)
            .and_then(|_| to.flush())
            .map_err(|error| Error::io("write to", name, error))?;
        Ok(bytes)
    }

    /// Writes everything, and returns the size.
    fn fill(&self, mut writer: Writer, all: &All) -> Result<u64> {
        let mut is_whole = true;
        let mut fingerprints = BTreeSet::new();
        for rrefs in all.values() {
            for (at, rref) in rrefs.iter().enumerate() {
                match (
                    self.fill_realization(&mut writer, rref, at == 0, &mut fingerprints),
                    self.unreadable,
                ) {
                    (Ok(()), _) => {}
                    (Err(error), Some(unreadable)) if !writer.is_refused() => {
                        is_whole = false;
                        let unreadable = unreadable.lock();
                        let mut unreadable = unreadable.unwrap_or_else(PoisonError::into_inner);
                        unreadable.push((rref.clone(), error));
                    }
                    (Err(error), _) => return Err(error),
                }
            }
        }
        if !is_whole {
            let message = "some of the realizations cannot be packed";
            return Err(Error::new(ErrorKind::Archive, message));
        }
        self.fill_code(&mut writer, &fingerprints)?;
        writer.finish(self.store.durability())
    }

    /// Writes the code of these fingerprints, as far as it is here. It is for people, so that what cannot be read is left out.
    fn fill_code(&self, writer: &mut Writer, fingerprints: &BTreeSet<String>) -> Result<()> {
        let mut items = BTreeSet::new();
        for fingerprint in fingerprints {
            let Ok(Some(text)) = self.store.read_code(fingerprint) else {
                continue;
            };
            if let Some(list) = CodeList::parse(&text) {
                if list.fingerprint() != *fingerprint {
                    continue;
                }
                items.extend(list.items.into_iter().map(|item| item.hash));
            }
            writer.store(&format!("{CODE}/{fingerprint}"), text.as_bytes())?;
        }
        for hash in items {
            if let Ok(Some(text)) = self.store.code_item(&hash) {
                writer.store(&format!("{CODE_ITEMS}/{hash}"), text.as_bytes())?;
            }
        }
        Ok(())
    }

    fn fill_realization(
        &self,
        writer: &mut Writer,
        rref: &RRefId,
        is_first: bool,
        fingerprints: &mut BTreeSet<String>,
    ) -> Result<()> {
        let config = self.store.config(rref.dref())?;
        if is_first {
            let name = format!("{}/{CONFIG}", rref.dref().folder());
            writer.store(&name, config.text().as_bytes())?;
        }
        let prefix = format!("{}/{}", rref.dref().folder(), rref.folder());
        let record = self.store.record(rref)?;
        let place = self.store.records_dir(rref)?;
        let is_stub = self.stubs && self.store.is_stub(rref)?;
        if !is_stub {
            self.store.expect_files(rref)?;
        }
        expect_complete(self.store, rref, &config, &record, "packed or copied")?;
        writer.store(&format!("{prefix}/{RECORD}"), record.to_text().as_bytes())?;
        if self.builds {
            for build in self.store.all_records(rref)? {
                let name = build.file_name();
                writer.store_file(&format!("{prefix}/{name}"), &place.join(&name))?;
                fingerprints.extend(build.fingerprint.iter().cloned());
                fingerprints.extend(build.accepted.iter().cloned());
                let name = build.log_name();
                if is_there(&place.join(&name))? {
                    writer.log(&format!("{prefix}/{name}"), &place.join(&name))?;
                }
            }
            for name in self.store.signature_files(rref)? {
                writer.store_file(&format!("{prefix}/{name}"), &place.join(&name))?;
            }
        }
        if is_stub || self.outlines.contains(rref) {
            return Ok(());
        }
        writer.folder(&format!("{prefix}/{OUT}"))?;
        let members = Members::of(record.manifest(), |path| format!("{prefix}/{OUT}/{path}"));
        members.write_artifacts(writer, &Out::open(place.join(OUT))?)?;
        members.write_links(writer)?;
        Ok(())
    }
}

/// Returns the references as owned values.
fn all_of<R: AsRef<RRefId>>(roots: impl IntoIterator<Item = R>) -> Vec<RRefId> {
    let roots = roots.into_iter();
    roots.map(|root| root.as_ref().clone()).collect()
}

/// Returns realizations with all their dependencies, grouped by derivation.
fn closure(store: &Store, roots: Vec<RRefId>) -> Result<All> {
    let mut all = All::new();
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

/// The size of a local header and the longest possible name of the first entry.
pub(super) const LONGEST_START: u64 = 30 + 600;

/// Whether a file with this beginning is an archive of realizations: its first entry is the config of a derivation (APPNOTE.TXT
/// of PKWARE, 4.3.7), or it has no entries (4.3.16).
pub(super) fn is_archive(start: &[u8]) -> bool {
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
