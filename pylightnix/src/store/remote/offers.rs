//! What a remote offers to a run: realizations that were fetched and verified, and are published only if the run takes them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::path::Path;

use rustix::fs::CWD;

use super::ahead::ReadAhead;
use super::blobs;
use super::code;
use super::gather::beside;
use super::index::RemoteIndex;
use super::line::{Bundle, RealizationLine};
use super::objects::Remote;
use super::pull::{Pull, Pulled, Wanted, wanted_of};
use super::ranges;
use super::stage::{Arrived, LackingFile, note_source, records, refused, stage};
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::durable::Durability;
use crate::store::disk::layout::{OUT, RECORD, TAKEN_FROM};
use crate::store::disk::remove::remove_tree;
use crate::store::disk::unsynced::Unsynced;
use crate::store::object::build_record::BuildKind;
use crate::store::object::builds::Builds;
use crate::store::object::context::Context;
use crate::store::object::realization::{Realization, open_folder, read_builds};
use crate::store::object::record::{Outcome, Record};
use crate::store::object::tree::EntryKind;
use crate::store::publish::install::merge;
use crate::store::publish::staging::Staging;
use crate::{Error, ErrorKind, Result};

/// The number of files that are synced together.
const TOGETHER: usize = 256;

/// What a remote has, as its index said when it was read.
pub(crate) struct RemoteView {
    remote: Remote,
    index: RemoteIndex,
    by_dref: HashMap<DRefId, Vec<RRefId>>,
    ahead: ReadAhead,
}

/// A successful realization in the index of a remote. Nothing of it is verified.
pub(crate) struct Listed<'v> {
    pub(crate) rref: &'v RRefId,
    lines: &'v [RealizationLine],
}

/// A build in the index of a remote.
pub(crate) struct ListedBuild<'v> {
    pub(crate) kind: BuildKind,
    pub(crate) start: &'v str,
    pub(crate) fingerprint: Option<&'v str>,
}

impl RemoteView {
    /// Reads the index of a remote.
    pub(crate) fn read(remote: &Remote, store: &Store) -> Result<Self> {
        let index = RemoteIndex::read_made(remote, Some(store)).map_err(|error| {
            // Whatever it is, it is about the remote.
            match error.kind() {
                ErrorKind::Missing => Error::new(ErrorKind::Remote, error.message()),
                _ => error,
            }
        })?;
        let mut by_dref: HashMap<DRefId, Vec<RRefId>> = HashMap::new();
        for (rref, lines) in &index.realizations {
            if lines.iter().all(|line| line.outcome == Outcome::Ok) {
                let of = by_dref.entry(rref.dref().clone()).or_default();
                of.push(rref.clone());
            }
        }
        Ok(RemoteView {
            remote: remote.clone(),
            index,
            by_dref,
            ahead: ReadAhead::default(),
        })
    }

    /// Returns why parts of the index were passed over.
    pub(crate) fn told(&self) -> &[Error] {
        &self.index.told
    }

    /// Returns the successful realizations of a derivation from all contexts, sorted.
    pub(crate) fn listed_of(&self, dref: &DRefId) -> Vec<Listed<'_>> {
        let all = self.by_dref.get(dref).map_or(&[][..], Vec::as_slice);
        let listed = all.iter().filter_map(|rref| {
            let lines = self.index.realizations.get(rref)?;
            Some(Listed { rref, lines })
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort_unstable_by_key(|listed| listed.rref);
        listed
    }

    /// Returns the successful realizations of a derivation that were made from `context`, sorted.
    pub(crate) fn listed(&self, dref: &DRefId, context: &Context) -> Vec<Listed<'_>> {
        let mut listed = self.listed_of(dref);
        listed.retain(|listed| listed.lines.iter().all(|line| context_of(line) == *context));
        listed
    }

    /// Reads the record of a realization, with its small files, and verifies it. `None` if the index does not name it.
    pub(crate) fn record(&self, rref: &RRefId) -> Result<Option<Record>> {
        let lines = self.index.realizations.get(rref);
        let Some(line) = lines.and_then(|lines| lines.first()) else {
            return Ok(None);
        };
        let mut read = None;
        ranges::fetch_with(
            &self.remote,
            &|pack, range| self.ahead.read(&self.remote, pack, range),
            &[&line.bundle],
            &mut |_| {},
            &mut |_, bytes| {
                let record = records(line, &bytes?);
                let (record, _) = record.map_err(|why| refused(&self.remote, rref, &why))?;
                read = Some(record);
                Ok(())
            },
        )?;
        Ok(read)
    }

    /// Fetches the texts of code that are not here, for people.
    pub(crate) fn fetch_code(&self, store: &Store, fingerprints: &BTreeSet<String>) -> Result<()> {
        code::fetch(store, &self.remote, &self.index, fingerprints, &mut |_| {}).map(drop)
    }

    /// Fetches the build records of realizations that are here already. Returns those that gained some.
    pub(crate) fn fetch_builds(&self, store: &Store, rrefs: &[RRefId]) -> Result<Pulled> {
        let before = self.remote.requests();
        let pull = Pull::new(store, &self.remote);
        pull.run_with(&self.index, Vec::new(), rrefs, before)
    }
}

fn context_of(line: &RealizationLine) -> Context {
    line.deps.iter().cloned().collect()
}

impl<'v> Listed<'v> {
    /// Returns the context that it was made from.
    pub(crate) fn context(&self) -> Context {
        self.lines.first().map_or_else(Context::empty, context_of)
    }

    /// Returns the bytes of its artifacts.
    pub(crate) fn size(&self) -> u64 {
        self.lines.iter().map(|line| line.size).max().unwrap_or(0)
    }

    /// Iterates over its builds, imports and acceptances.
    pub(crate) fn builds(&self) -> impl Iterator<Item = ListedBuild<'v>> {
        let builds = self.lines.iter().flat_map(|line| &line.builds);
        builds.map(|build| ListedBuild {
            kind: build.kind,
            start: &build.start,
            fingerprint: build.fingerprint.as_deref(),
        })
    }
}

/// Realizations from remotes, in a folder of their own.
pub(crate) struct Offers<'s> {
    store: &'s Store,
    staging: Staging,
    all: BTreeMap<RRefId, Offer>,
    /// The number of folders for build records alone.
    further: usize,
}

struct Offer {
    arrived: Arrived,
    remote: Remote,
}

/// What became of offers.
#[derive(Default)]
pub(crate) struct Published {
    pub(crate) rrefs: Vec<RRefId>,
    /// The bytes that were fetched for them.
    pub(crate) bytes: u64,
    /// Why others are none any more.
    pub(crate) left_out: Vec<Error>,
}

impl<'s> Offers<'s> {
    pub(crate) fn new(store: &'s Store) -> Result<Self> {
        Ok(Offers {
            store,
            staging: Staging::new(store)?,
            all: BTreeMap::new(),
            further: 0,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn has(&self, rref: &RRefId) -> bool {
        self.all.contains_key(rref)
    }

    /// Fetches and verifies these realizations of a remote, without their large files. One that another remote brought gains build
    /// records. Returns the fetched bytes, and why some are not taken.
    pub(crate) fn fetch(
        &mut self,
        view: &RemoteView,
        rrefs: &[&RRefId],
    ) -> Result<(u64, Vec<Error>)> {
        let mut wanted: Vec<Wanted<'_>> = Vec::new();
        for rref in rrefs {
            let mut names = match self.all.get(rref) {
                Some(offer) => beside(&offer.arrived.folder)?.into_iter().collect(),
                None => HashSet::new(),
            };
            wanted.extend(wanted_of(&view.index, rref, self.has(rref), &mut names));
        }
        let bundles: Vec<&Bundle> = wanted.iter().map(|wanted| &wanted.line.bundle).collect();
        let (mut bytes, mut left_out) = (0, Vec::new());
        // Only what is taken is synced.
        let mut unsynced = Unsynced::new(Durability::None);
        let mut arrived: Vec<Option<Arrived>> = Vec::new();
        arrived.resize_with(wanted.len(), || None);
        let remote = &view.remote;
        ranges::fetch_with(
            remote,
            &|pack, range| view.ahead.read(remote, pack, range),
            &bundles,
            &mut |more| bytes += more,
            &mut |at, bundle| {
                let Wanted { line, is_here } = &wanted[at];
                let folder = match is_here {
                    true => {
                        self.further += 1;
                        self.staging.folder().join(self.further.to_string())
                    }
                    false => self.place(&line.rref)?,
                };
                let staged = bundle.and_then(|bytes| {
                    let remote = &view.remote;
                    stage(remote, line, &bytes, &folder, *is_here, &mut unsynced)
                });
                match staged {
                    Ok(mut staged) => {
                        // Signatures are of its bytes.
                        if !is_here {
                            staged.put_record(&mut unsynced)?;
                        }
                        arrived[at] = Some(staged);
                    }
                    Err(error) if error.kind() == ErrorKind::Remote => left_out.push(error),
                    Err(error) => return Err(error),
                }
                Ok(())
            },
        )?;
        for arrived in arrived.into_iter().flatten() {
            self.take_in(arrived, &view.remote)?;
        }
        Ok((bytes, left_out))
    }

    /// Returns the folder of a realization, as it is in a store.
    fn place(&self, rref: &RRefId) -> Result<std::path::PathBuf> {
        let derivation = self.staging.folder().join(&*rref.dref().folder());
        fs::create_dir_all(&derivation)
            .map_err(|error| Error::io("create the folder", &derivation, error))?;
        Ok(derivation.join(&*rref.folder()))
    }

    fn take_in(&mut self, arrived: Arrived, remote: &Remote) -> Result<()> {
        match self.all.get_mut(&arrived.rref) {
            Some(offer) if arrived.is_here => {
                // A large log of a further build is left to a pull.
                merge(&arrived.folder, &offer.arrived.folder)?;
                offer.arrived.fingerprints.extend(arrived.fingerprints);
            }
            // The line with its files was not usable.
            None if arrived.is_here => {}
            _ => {
                let remote = remote.clone();
                let rref = arrived.rref.clone();
                self.all.insert(rref, Offer { arrived, remote });
            }
        }
        Ok(())
    }

    /// Fetches the large files for which `is_wanted`, by their paths, of all that are offered. What lacks one is offered no more. Returns
    /// the fetched bytes, and why.
    pub(crate) fn fill(
        &mut self,
        rrefs: Option<&[RRefId]>,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Result<(u64, Vec<Error>)> {
        let all: Vec<RRefId> = match rrefs {
            Some(rrefs) => rrefs.to_vec(),
            None => self.all.keys().cloned().collect(),
        };
        let (mut fetched, mut left_out) = (0, Vec::new());
        // One at a time, so that what is whole is not lost by what is not.
        for rref in all {
            let Some(offer) = self.all.get_mut(&rref) else {
                continue;
            };
            let (arrived, remote) = (&mut offer.arrived, &offer.remote);
            let out = arrived.folder.join(OUT);
            let is_meant = |file: &LackingFile| match file.path.strip_prefix(&out) {
                Ok(path) => path.to_str().is_none_or(is_wanted),
                // Logs come with what is taken.
                Err(_) => rrefs.is_some(),
            };
            let lacking = std::mem::take(&mut arrived.lacking);
            let (now, later): (Vec<_>, Vec<_>) = lacking.into_iter().partition(is_meant);
            if now.is_empty() {
                arrived.lacking = later;
                continue;
            }
            arrived.lacking = now;
            // Files that results of other stages share are rare, and finding them costs reading all records.
            let local = || self.store.rrefs_of(rref.dref());
            let failed = {
                let staged = std::iter::once(&*arrived);
                blobs::fetch(self.store, remote, local, staged, &mut |bytes| {
                    fetched += bytes;
                })?
            };
            arrived.lacking = later;
            if let Some(why) = failed.values().min() {
                left_out.push(refused(remote, &rref, why));
                self.all.remove(&rref);
            }
        }
        Ok((fetched, left_out))
    }

    /// Returns all that is offered, as candidates.
    pub(crate) fn realizations(&self) -> Result<Vec<Realization>> {
        let mut all = Vec::with_capacity(self.all.len());
        for (rref, offer) in &self.all {
            let at = &offer.arrived.folder;
            let Some(folder) = open_folder(&CWD, at.as_path(), at)? else {
                continue;
            };
            let read = read_builds(folder, at)?;
            let builds = Builds::with_attached(read.builds, &read.attached);
            let head = offer.arrived.record.head();
            let realization = self.store.realization_of(rref.clone(), head, builds);
            all.push(Realization {
                objects: self.staging.folder().into(),
                ..realization
            });
        }
        Ok(all)
    }

    /// Makes the folders of these whole, so that their files can be carried. Returns the fetched bytes, and why some are offered no more.
    pub(crate) fn complete(&mut self, rrefs: &[RRefId]) -> Result<(u64, Vec<Error>)> {
        let filled = self.fill(Some(rrefs), &|_| true)?;
        for rref in rrefs {
            if let Some(offer) = self.all.get_mut(rref) {
                let arrived = &mut offer.arrived;
                arrived.finish(&offer.remote, &mut Unsynced::new(Durability::None))?;
            }
            if let Some(offer) = self.all.get(rref) {
                self.sync(&offer.arrived)?;
            }
        }
        Ok(filled)
    }

    /// Publishes these. If `as_stubs`, those of which large files did not come are published as stubs; otherwise their files are fetched.
    /// They are offered no more, whatever became of them.
    pub(crate) fn publish(&mut self, rrefs: &[RRefId], as_stubs: bool) -> Result<Published> {
        let lacks = |rref: &&RRefId| {
            let offer = self.all.get(rref);
            as_stubs && offer.is_some_and(|offer| offer.arrived.lacks_artifacts())
        };
        let (stubs, whole): (Vec<_>, Vec<_>) = rrefs.iter().partition(lacks);
        let whole: Vec<RRefId> = whole.into_iter().cloned().collect();
        let (bytes, left_out) = self.fill(Some(&whole), &|_| true)?;
        let mut published = Published {
            bytes,
            left_out,
            ..Published::default()
        };
        for rref in whole {
            let Some(Offer {
                mut arrived,
                remote,
            }) = self.all.remove(&rref)
            else {
                continue;
            };
            arrived.finish(&remote, &mut Unsynced::new(Durability::None))?;
            self.sync(&arrived)?;
            let mut pulled = Pulled::nothing();
            Pull::new(self.store, &remote).publish(vec![arrived], &mut pulled)?;
            published.rrefs.extend(pulled.rrefs);
            published.left_out.extend(pulled.left_out);
        }
        for rref in stubs {
            if let Some(Offer { arrived, remote }) = self.all.remove(rref) {
                self.publish_stub(&arrived, &remote)?;
                published.rrefs.push(rref.clone());
            }
        }
        Ok(published)
    }

    /// Publishes the records of one whose large files stay at the remote. Its small files come again with these.
    fn publish_stub(&self, arrived: &Arrived, remote: &Remote) -> Result<()> {
        let folder = &arrived.folder;
        let out = folder.join(OUT);
        remove_tree(&out).map_err(|error| Error::io("remove", &out, error))?;
        let mut unsynced = Unsynced::new(self.store.durability());
        note_source(remote, folder, &mut unsynced)?;
        self.sync_records(folder, &mut unsynced)?;
        unsynced.sync()?;
        let context = &arrived.record.head().context;
        let (config, rref, text) = (&arrived.config, &arrived.rref, &arrived.text);
        self.store.put_stub(config, context, folder, rref, text)
    }

    /// Fetches the texts of the code that made these, from the remote whose index is given. They are for people, and their lack is no
    /// failure.
    pub(crate) fn fetch_code(&self, view: &RemoteView, rrefs: &[RRefId]) -> Result<()> {
        let offers = rrefs.iter().filter_map(|rref| self.all.get(rref));
        let fingerprints: BTreeSet<String> = offers
            .filter(|offer| offer.remote.url() == view.remote.url())
            .flat_map(|offer| offer.arrived.fingerprints.iter().cloned())
            .collect();
        view.fetch_code(self.store, &fingerprints)
    }

    /// Returns the name of the remote that offers a realization.
    pub(crate) fn remote_of(&self, rref: &RRefId) -> Option<String> {
        Some(self.all.get(rref)?.remote.name())
    }

    /// Syncs all files of one that is about to be published.
    fn sync(&self, arrived: &Arrived) -> Result<()> {
        let durability = self.store.durability();
        if durability != Durability::Full {
            return Ok(());
        }
        let mut unsynced = Unsynced::new(durability);
        let out = arrived.folder.join(OUT);
        let open = |path: &Path| File::open(path).map_err(|error| Error::io("open", path, error));
        unsynced.folder(&out);
        for (at, entry) in arrived.record.manifest().entries().iter().enumerate() {
            let path = out.join(&entry.path);
            match entry.kind {
                EntryKind::File { .. } => unsynced.file(&path, open(&path)?),
                EntryKind::Dir => unsynced.folder(&path),
                EntryKind::Link { .. } => {}
            }
            if at % TOGETHER == TOGETHER - 1 {
                std::mem::replace(&mut unsynced, Unsynced::new(durability)).sync()?;
            }
        }
        self.sync_records(&arrived.folder, &mut unsynced)?;
        unsynced.sync()
    }

    /// Syncs the record and the build files in the folder of one that is about to be published.
    fn sync_records(&self, folder: &Path, unsynced: &mut Unsynced) -> Result<()> {
        let others = [RECORD, TAKEN_FROM].map(str::to_owned);
        for name in beside(folder)?.into_iter().chain(others) {
            let path = folder.join(&name);
            let file = File::open(&path).map_err(|error| Error::io("open", &path, error))?;
            unsynced.file(&path, file);
        }
        unsynced.folder(folder);
        Ok(())
    }
}

/// Whether a realization is in the store with its files.
pub(crate) fn is_here(store: &Store, rref: &RRefId) -> Result<bool> {
    store.is_whole(rref)
}
