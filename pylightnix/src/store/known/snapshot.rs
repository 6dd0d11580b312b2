//! Snapshots of derivations: the content of a derivation's folder, cached by the index.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::ErrorKind;
use crate::config::RRefId;
use crate::config::{ConfigJson, DRefId};
use crate::store::Store;
use crate::store::disk::durable::Durability;
use crate::store::disk::parallel;
use crate::store::disk::system::sync_file_system;
use crate::store::index::{Index, IndexEntry, Listed, MANY, Objects};
use crate::store::object::build_mark::{BuildMark, begun_from};
use crate::store::object::builds::{BuildHead, Builds};
use crate::store::object::context::Context;
use crate::store::object::realization::Realization;
use crate::store::object::record::Outcome;
use crate::store::publish::draft::PublishedRun;
use crate::{Error, Result};

/// The content of one derivation's folder at one time; empty if the derivation is not in the store.
#[derive(Clone)]
pub(crate) struct Snapshot(Option<IndexEntry>);

impl Snapshot {
    /// Takes a snapshot of one derivation.
    pub(in crate::store) fn of(store: &Store, dref: &DRefId) -> Result<Self> {
        store.known_of(dref, None, false).map(Snapshot)
    }

    /// Iterates over the builds of each realization.
    pub(in crate::store) fn builds(&self) -> impl Iterator<Item = Builds> + '_ {
        let listed = self.0.iter().flat_map(|known| known.listing.iter());
        listed.map(|one| one.builds())
    }
}

/// An iterator that saves the index when it is dropped.
struct IndexSaver<'a, I> {
    store: &'a Store,
    each: I,
}

impl<I: Iterator> Iterator for IndexSaver<'_, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.each.next()
    }
}

impl<I> Drop for IndexSaver<'_, I> {
    fn drop(&mut self) {
        self.store.save_index();
    }
}

/// A realization that cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unread {
    /// The reference, or `None` if the realizations of a derivation cannot be listed.
    pub rref: Option<RRefId>,
    /// The error.
    pub error: Error,
}

/// Number of derivations that a lazy reader reads singly at first, and the batch size afterwards.
const SINGLY: usize = 32;
const TOGETHER: usize = 4096;

impl Snapshot {
    /// Whether the derivation has no realization from any context.
    pub(crate) fn is_empty(&self) -> bool {
        (self.0.as_ref()).is_none_or(|known| known.listing.is_empty())
    }

    /// Whether there is an incomplete multi-run build from any context.
    pub(crate) fn is_marked(&self) -> bool {
        (self.0.as_ref()).is_some_and(|known| known.listing.marks().next().is_some())
    }

    /// Returns the marks of incomplete multi-run builds from this context.
    pub(crate) fn begun(&self, context: &Context) -> Vec<BuildMark> {
        let marks = self.0.iter().flat_map(|known| known.listing.marks());
        marks
            .filter_map(|(name, bytes)| begun_from(context, name, bytes))
            .collect()
    }
}

/// The only candidate of a context, borrowed from its snapshot.
pub(crate) struct OnlyCandidate<'a> {
    listed: Listed<'a>,
    place: usize,
}

impl OnlyCandidate<'_> {
    /// Returns the hash of the reference.
    pub(crate) fn hash(&self) -> &[u8; 16] {
        self.listed.hash()
    }

    /// Returns whether the build succeeded.
    pub(crate) fn outcome(&self) -> Outcome {
        self.listed.outcome()
    }

    /// Iterates over the build fields that decisions need, oldest first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = BuildHead<'_>> {
        self.listed.heads()
    }

    /// Iterates over the same, with the identifiers of the records.
    pub(crate) fn identified(&self) -> impl Iterator<Item = (Uuid, BuildHead<'_>)> {
        self.listed.identified()
    }

    /// Returns the position in the snapshot, for [`Snapshot::realization_at`].
    pub(crate) fn place(&self) -> usize {
        self.place
    }
}

impl Snapshot {
    /// Returns the realization that was made from `context`, if there is exactly one. `context` yields the hashes of each
    /// realization and of its derivation, in the order of contexts.
    pub(crate) fn sole<'c, I>(&self, context: impl Fn() -> I) -> Option<OnlyCandidate<'_>>
    where
        I: Iterator<Item = (&'c [u8; 16], &'c [u8; 16])>,
    {
        let listed = self.0.as_ref()?.listing.iter().enumerate();
        let mut found = listed.filter(|(_, one)| one.is_candidate() && one.is_made_from(context()));
        let (place, listed) = found.next()?;
        found
            .next()
            .is_none()
            .then_some(OnlyCandidate { listed, place })
    }

    /// Returns the realization at this position of the snapshot of `dref`, which was made from `context`. `objects` is the
    /// folder of all derivations.
    pub(crate) fn realization_at(
        &self,
        place: usize,
        dref: &DRefId,
        context: &Context,
        objects: &Arc<Path>,
    ) -> Option<Realization> {
        let listed = self.0.as_ref()?.listing.iter().nth(place)?;
        Some(listed.realization(dref, context, objects))
    }
}

/// Takes snapshots of many derivations on one thread. Each thread needs its own reader: threads that share an open folder
/// contend for its reference count in the kernel.
pub(crate) struct SnapshotReader<'a> {
    index: &'a Index,
    objects: Objects<'a>,
}

impl SnapshotReader<'_> {
    /// Takes a snapshot of a derivation. If `config` is given, the config file need not be read.
    pub(crate) fn read(&self, dref: &DRefId, config: Option<&ConfigJson>) -> Result<Snapshot> {
        let known = self.index.look(&self.objects, dref, config, false);
        known.map(Snapshot)
    }
}

impl Store {
    /// Returns a reader for a thread that takes snapshots of some of `count` derivations.
    pub(crate) fn snapshot_reader(&self, count: usize) -> SnapshotReader<'_> {
        let objects = Objects::of_many(self.layout(), count);
        let index = self.manager().index();
        SnapshotReader { index, objects }
    }

    /// Whether the snapshot has realizations that may not be durable yet; see [`settle`](Self::settle).
    pub(crate) fn is_to_settle(&self, look: &Snapshot) -> bool {
        self.durability() != Durability::None
            && (look.0.as_ref()).is_some_and(|known| !known.is_settled && !known.listing.is_empty())
    }

    /// Syncs the realizations of these snapshots, before anyone relies on them: the process that published them may have died
    /// between its rename and its fsync.
    pub(crate) fn ensure_durable(&self, found: &[(&DRefId, &Snapshot)]) -> Result<()> {
        let new: Vec<(&DRefId, &IndexEntry)> = (found.iter())
            .filter(|(_, look)| self.is_to_settle(look))
            .filter_map(|(dref, look)| Some((*dref, look.0.as_ref()?)))
            .collect();
        let objects = self.layout().objects();
        match new.len() {
            0 => return Ok(()),
            count if count >= MANY && is_synced_at_once(&objects)? => {}
            _ => {
                for (dref, _) in &new {
                    self.durability().sync_folder(&self.derivation_dir(dref))?;
                }
                self.durability().sync_folder(&objects)?;
            }
        }
        for (dref, known) in new {
            self.manager()
                .index()
                .is_settled(self.layout(), dref, known);
        }
        Ok(())
    }

    /// Syncs the realizations of one derivation: see [`settle`](Self::settle).
    pub(in crate::store) fn settle_one(&self, dref: &DRefId) -> Result<()> {
        let snapshot = Snapshot(self.known_of(dref, None, false)?);
        self.ensure_durable(&[(dref, &snapshot)])
    }

    /// Returns the realizations in a snapshot of `dref` that were made from `context` and keep all promises, sorted by reference.
    pub(crate) fn candidates_in(
        &self,
        snapshot: &Snapshot,
        dref: &DRefId,
        context: &Context,
    ) -> Vec<Realization> {
        let Some(known) = &snapshot.0 else {
            return Vec::new();
        };
        let objects = self.objects();
        // Most derivations have one candidate.
        let mut found = Vec::with_capacity(1);
        let listed = known.listing.made_from(context);
        let listed = listed.filter(Listed::is_candidate);
        found.extend(listed.map(|one| one.realization(dref, context, objects)));
        found
    }

    /// Returns the realizations in a snapshot of `dref` that keep all promises, from any context, sorted by reference.
    pub(crate) fn candidates_of_all_contexts(
        &self,
        snapshot: &Snapshot,
        dref: &DRefId,
    ) -> Result<Vec<Realization>> {
        let listed = (snapshot.0.iter()).flat_map(|known| known.listing.iter());
        let objects = self.objects();
        listed
            .filter(Listed::is_candidate)
            .map(|one| Ok(one.realization(dref, &one.context(dref)?, objects)))
            .collect()
    }

    /// Returns the folder of all derivations, for [`Snapshot::realization_at`].
    pub(crate) fn objects(&self) -> &Arc<Path> {
        self.layout().shared_objects()
    }

    /// Takes a snapshot by reading the derivation's folder, bypassing the index.
    pub(crate) fn fresh_snapshot(&self, config: &ConfigJson) -> Result<Snapshot> {
        self.known_of(config.id(), Some(config), true).map(Snapshot)
    }

    /// Takes a snapshot of one derivation.
    pub(crate) fn snapshot(&self, config: &ConfigJson) -> Result<Snapshot> {
        self.known_of(config.id(), Some(config), false)
            .map(Snapshot)
    }

    /// Returns the index entry of a derivation, reading its folder if that has changed or if `afresh` is set.
    fn known_of(
        &self,
        dref: &DRefId,
        config: Option<&ConfigJson>,
        afresh: bool,
    ) -> Result<Option<IndexEntry>> {
        let objects = Objects::of(self.layout());
        let index = self.manager().index();
        index.look(&objects, dref, config, afresh)
    }

    /// Whether a realization of `config` from `context` is not a candidate because a promised artifact is missing.
    pub(crate) fn has_lacking(&self, config: &ConfigJson, context: &Context) -> Result<bool> {
        let known = self.known_of(config.id(), Some(config), false)?;
        let listed = known
            .iter()
            .flat_map(|known| known.listing.made_from(context));
        Ok(listed.filter(|one| !one.is_candidate()).count() > 0)
    }

    /// Returns the realizations of `dref` that were made from `context`, sorted by reference; empty if the derivation is not in
    /// the store. Omits realizations with a missing promised artifact, which earlier versions could publish.
    pub(crate) fn candidates(&self, dref: &DRefId, context: &Context) -> Result<Vec<Realization>> {
        let snapshot = Snapshot(self.known_of(dref, None, false)?);
        Ok(self.candidates_in(&snapshot, dref, context))
    }

    /// Returns the realizations of a derivation from all contexts, sorted by reference; empty if the derivation is not in the
    /// store.
    ///
    /// # Errors
    /// Fails if a record is corrupt, or if a system call fails.
    pub fn realizations_of(&self, dref: impl AsRef<DRefId>) -> Result<Vec<Realization>> {
        let dref = dref.as_ref();
        self.all_of(&Snapshot::of(self, dref)?, dref)
    }

    /// Reads the realizations of many derivations lazily and on all cores. Reads the first few singly, so that they arrive at
    /// once. An unreadable realization becomes an error in its derivation's list. Saves the index for later processes.
    ///
    /// ```
    /// # use pylightnix::store::Store;
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let drefs = store.drefs_named("train*")?;
    /// let all = store.realizations_of_each(&drefs).flat_map(|(_, found)| found);
    /// for one in all {
    ///     match one {
    ///         Ok(realization) => println!("{} of {:?}", realization.id, realization.last_built()),
    ///         Err(unread) => eprintln!("left out: {}", unread.error),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn realizations_of_each<'d>(
        &'d self,
        drefs: &'d [DRefId],
    ) -> impl Iterator<Item = (&'d DRefId, Vec<Result<Realization, Unread>>)> {
        IndexSaver {
            store: self,
            each: self.realizations_in(drefs),
        }
    }

    /// Reads the realizations of many derivations like [`realizations_of_each`](Self::realizations_of_each), without saving the
    /// index.
    pub(in crate::store) fn realizations_in<'d>(
        &'d self,
        drefs: &'d [DRefId],
    ) -> impl Iterator<Item = (&'d DRefId, Vec<Result<Realization, Unread>>)> {
        let (first, rest) = drefs.split_at(drefs.len().min(SINGLY));
        first
            .chunks(1)
            .chain(rest.chunks(TOGETHER))
            .flat_map(|drefs| {
                let looked = self.snapshots_of_each(drefs);
                drefs.iter().zip(looked).map(|(dref, look)| {
                    let found = match look.and_then(|look| self.all_of(&look, dref)) {
                        Ok(all) => all.into_iter().map(Ok).collect(),
                        Err(_) => self.one_by_one(dref),
                    };
                    (dref, found)
                })
            })
    }

    /// Reads the realizations of a derivation one by one, with an error for each unreadable one.
    fn one_by_one(&self, dref: &DRefId) -> Vec<Result<Realization, Unread>> {
        let rrefs = match self.rrefs_of(dref) {
            Ok(rrefs) => rrefs,
            Err(error) => return vec![Err(Unread { rref: None, error })],
        };
        let read = rrefs.into_iter().filter_map(|rref| {
            match self.realization(&rref) {
                // Removed between listing and reading.
                Err(error) if error.kind() == ErrorKind::Missing => None,
                Err(error) => Some(Err(Unread {
                    rref: Some(rref),
                    error,
                })),
                Ok(found) => Some(Ok(found)),
            }
        });
        read.collect()
    }

    /// Returns all realizations in a snapshot of `dref`.
    fn all_of(&self, look: &Snapshot, dref: &DRefId) -> Result<Vec<Realization>> {
        let Some(known) = &look.0 else {
            return Ok(Vec::new());
        };
        let objects = self.objects();
        let listed = known.listing.iter();
        listed
            .map(|one| Ok(one.realization(dref, &one.context(dref)?, objects)))
            .collect()
    }

    /// Takes a snapshot of each derivation on all cores, with an error for each unreadable one.
    fn snapshots_of_each(&self, drefs: &[DRefId]) -> Vec<Result<Snapshot>> {
        // In batches: scheduling single derivations costs as much as reading them.
        let parts: Vec<&[DRefId]> = drefs.chunks(128).collect();
        let looked = parallel::map(&parts, parallel::cores(), |_, part| {
            let reader = self.snapshot_reader(part.len());
            Ok(part
                .iter()
                .map(|dref| reader.read(dref, None))
                .collect::<Vec<_>>())
        });
        looked.into_iter().flatten().flatten().collect()
    }

    /// Returns the direct dependents of a realization, sorted by derivation, and the realizations that could not be read.
    /// [`dependents`](Self::dependents) fails if there are any of the latter.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn dependents_readable(
        &self,
        rref: impl AsRef<RRefId>,
    ) -> Result<(Vec<RRefId>, Vec<Unread>)> {
        let rref = rref.as_ref();
        let drefs = self.drefs()?;
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for (dref, look) in drefs.iter().zip(self.snapshots_of_each(&drefs)) {
            let known = match look {
                Ok(look) => look.0,
                Err(_) => {
                    for one in self.one_by_one(dref) {
                        match one {
                            Ok(one) if one.context.realizations().any(|dep| dep == rref) => {
                                found.push(one.id);
                            }
                            Ok(_) => {}
                            Err(error) => unread.push(error),
                        }
                    }
                    continue;
                }
            };
            let Some(known) = known else { continue };
            let users = known.listing.iter().filter(|one| one.uses(rref));
            found.extend(users.map(|one| one.id(dref)));
        }
        self.save_index();
        Ok((found, unread))
    }

    /// Saves the index for later processes.
    pub(crate) fn save_index(&self) {
        let temporary = || self.manager().temporary();
        self.manager().index().save(&temporary, self.layout());
    }

    /// Tells the index what a run published, so that the next run need not read it.
    pub(crate) fn index_published(&self, made: &mut PublishedRun) {
        let index = self.manager().index();
        let dref = made.published.id.dref();
        let is_known = made.first.take().is_some_and(|first| {
            let is_settled = self.durability() == Durability::Full;
            !first.is_of_several
                && index.insert_published(
                    self.layout(),
                    dref,
                    first.listing,
                    first.set_back,
                    is_settled,
                )
        });
        if !is_known {
            index.is_changed(dref);
        }
    }

    /// Reads the derivations that runs of this process changed, and that the index could not be told of, while `go_on` returns
    /// `true`.
    pub(crate) fn refresh_index(&self, go_on: &(dyn Fn() -> bool + Sync)) {
        let index = self.manager().index();
        let changed = index.take_changed();
        let parts: Vec<&[DRefId]> = changed.chunks(128).collect();
        // Errors are ignored: who needs such a derivation reads it again.
        let _ = parallel::map(&parts, parallel::cores(), |_, part| {
            let objects = Objects::of_many(self.layout(), part.len());
            for dref in part.iter().take_while(|_| go_on()) {
                let _ = index.refresh(&objects, dref);
            }
            Ok(())
        });
    }
}

/// Syncs the whole file system of a folder. Returns `false` if the system has no such call.
fn is_synced_at_once(folder: &Path) -> Result<bool> {
    File::open(folder)
        .and_then(|opened| sync_file_system(&opened))
        .map_err(|error| Error::io("write to disk", folder, error))
}
