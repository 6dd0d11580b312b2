//! The index: a cache of the content of derivations' folders.
//!
//! The file system stays the source of truth. An entry has the content of a derivation's folder and the [`Stamp`] that the
//! folder had before it was read, so that one `stat` validates the entry. The rules for cache validity:
//!
//! - Every change to a derivation's realizations or build records changes the folder's change time: a writer that changes a
//!   subfolder also sets the times of the derivation's folder.
//! - A folder that changed shortly before it was read is not cached: file system clocks tick, and a second change within the
//!   same tick would be invisible (see "racy git" in git's documentation of its index).
//! - The run that publishes the first realization of a derivation caches it without reading it. Before the folder gets to its
//!   place, its modification time is set back, and any change sets that to now; see [`Stamp::is_unchanged_since`]. Other folders
//!   that a run changed are read at its end.
//! - Stubs are cached with the realizations, and their writers set the folder's times as well.
//! - Marks of multi-run builds are cached with the realizations, and their writers set the folder's times as well.
//! - Before a stage is built, its folder is read without the cache.
//!
//! The files are `cache/index/<hex digit>`, one for all derivations whose hashes begin with that digit, each with a checksum. A
//! missing or invalid file counts as empty. The files may be deleted at any time; garbage collection does so.

mod listing;
mod names;
mod shard;
mod stamp;

use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Result;
use crate::config::{ConfigJson, DRefId};
use crate::store::disk::checked::Temporary;
use crate::store::disk::layout::Layout;
use crate::store::disk::system::{FileTime, open_place};
use crate::store::object::build_mark::marks_of;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::promised::Promised;
use crate::store::object::realization::{LoadedRealization, each_realization};
pub(super) use listing::{Listed, Listing};
pub(super) use names::Folders;
use shard::Shard;
use stamp::Stamp;

/// From this number of folders on, one call for their common parent costs less than one call for each.
pub(in crate::store) const MANY: usize = 8;

/// The index of a store, as this process knows it.
pub(super) struct Index {
    /// The shards, by the first hex digit of the hash. There are few of them, as a large plan reads them all, and opening a
    /// file costs as much as reading a hundred entries.
    shards: Vec<Mutex<Shard>>,
    names: names::Names,
    /// The derivations that runs of this process changed, and whose entries are out of date.
    changed: Mutex<Vec<DRefId>>,
}

impl Index {
    pub(super) fn new() -> Self {
        Index {
            shards: (0..SHARDS)
                .map(|first| Mutex::new(Shard::new(first)))
                .collect(),
            names: names::Names::default(),
            changed: Mutex::default(),
        }
    }

    /// Returns the content of a derivation's folder, or `None` if the derivation is not in the store. Reads the config when it
    /// is needed and not given. With `afresh`, bypasses the cache.
    pub(super) fn look(
        &self,
        objects: &Objects<'_>,
        dref: &DRefId,
        config: Option<&ConfigJson>,
        afresh: bool,
    ) -> Result<Option<IndexEntry>> {
        // Taken before reading, so that later changes invalidate the entry.
        let Some(stamp) = Stamp::of(objects, dref)? else {
            return Ok(None);
        };
        let layout = objects.layout;
        if !afresh {
            let mut shard = self.shard(dref);
            if let Some(known) = shard.get(layout, dref, &stamp) {
                return Ok(Some(known));
            }
        }
        let (folder, stubs) = (layout.derivation(dref), layout.stubs_of(dref));
        // Computed before reading: a change during the read, within the same clock tick, would be invisible.
        let lasts = stamp.has_passed();
        let promised = Promised::new(&folder, config);
        let mut found = read_realizations(dref, (&folder, &stubs), &promised)?;
        let mut marks = Vec::new();
        if is_of_several(&found) {
            // Marks are read after the realizations: a build that began since has a mark. A build that ended since has none any
            // more, so if there are none, the realizations are read again.
            marks = marks_of(layout, dref)?;
            if marks.is_empty() && !(lasts && Stamp::of(objects, dref)? == Some(stamp)) {
                found = read_realizations(dref, (&folder, &stubs), &promised)?;
                marks = marks_of(layout, dref)?;
            }
        }
        let lasts = lasts && !promised.is_refused();
        let known = IndexEntry {
            stamp,
            listing: Listing::of(found, &marks),
            is_settled: false,
            lasts,
        };
        if !lasts {
            return Ok(Some(known));
        }
        Ok(Some(self.shard(dref).insert(layout, dref, known)))
    }

    /// Returns the folders of all derivations, sorted by name.
    pub(super) fn folders(
        &self,
        temporary: Temporary<'_>,
        layout: &Layout,
    ) -> Result<Arc<Folders>> {
        self.names.get(temporary, layout)
    }

    /// Returns the entry of a derivation if it is up to date, without reading the folder.
    pub(super) fn up_to_date(
        &self,
        objects: &Objects<'_>,
        dref: &DRefId,
    ) -> Result<Option<IndexEntry>> {
        let stamp = Stamp::of(objects, dref)?;
        Ok(stamp.and_then(|stamp| self.shard(dref).get(objects.layout, dref, &stamp)))
    }

    /// Adds the entry of a derivation that this process published with its only realization, `listing`, after it set the
    /// modification time of the folder to `set_back`. Returns `false` if anything changed since.
    pub(super) fn insert_published(
        &self,
        layout: &Layout,
        dref: &DRefId,
        listing: Listing,
        set_back: FileTime,
        is_settled: bool,
    ) -> bool {
        let Ok(Some(stamp)) = Stamp::of(&Objects::of(layout), dref) else {
            return false;
        };
        if !stamp.is_unchanged_since(set_back) {
            return false;
        }
        let known = IndexEntry {
            stamp,
            listing,
            is_settled,
            lasts: true,
        };
        self.shard(dref).insert(layout, dref, known);
        true
    }

    /// Notes that the entry of a derivation is out of date, until it is [refreshed](Self::refresh).
    pub(super) fn is_changed(&self, dref: &DRefId) {
        lock(&self.changed).push(dref.clone());
    }

    /// Returns the derivations whose entries are out of date, each once, and forgets them.
    pub(super) fn take_changed(&self) -> Vec<DRefId> {
        let mut changed = std::mem::take(&mut *lock(&self.changed));
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// Reads a derivation's folder if its entry is out of date, unless it changed so recently that it could not be cached.
    pub(super) fn refresh(&self, objects: &Objects<'_>, dref: &DRefId) -> Result<()> {
        if Stamp::of(objects, dref)?.is_some_and(|stamp| stamp.has_passed()) {
            self.look(objects, dref, None, false)?;
        }
        Ok(())
    }

    /// Notes that the content of an entry is durable.
    pub(super) fn is_settled(&self, layout: &Layout, dref: &DRefId, known: &IndexEntry) {
        if known.lasts {
            let settled = IndexEntry {
                is_settled: true,
                ..known.clone()
            };
            self.shard(dref).insert(layout, dref, settled);
        }
    }

    /// Saves new entries, except a few in a process that saved others before. Errors are ignored, as the index is only a cache.
    pub(super) fn save(&self, temporary: Temporary<'_>, layout: &Layout) {
        self.save_where(Shard::is_due, temporary, layout);
    }

    /// Saves all new entries.
    pub(super) fn save_all(&self, temporary: Temporary<'_>, layout: &Layout) {
        self.save_where(Shard::is_new, temporary, layout);
    }

    fn save_where(
        &self,
        is_wanted: impl Fn(&Shard) -> bool,
        temporary: Temporary<'_>,
        layout: &Layout,
    ) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            if is_wanted(&shard) {
                let _ = shard.save(temporary, layout);
            }
        }
    }

    /// Deletes the index files and the new entries, which would otherwise keep entries of deleted derivations forever.
    pub(super) fn delete(&self, layout: &Layout) {
        self.shards.iter().for_each(|shard| lock(shard).clear());
        let _ = std::fs::remove_dir_all(layout.index());
    }

    fn shard(&self, dref: &DRefId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[usize::from(first_digit(dref))])
    }
}

/// Reads the realizations in a derivation's folder, and those in the folder of its stubs.
fn read_realizations(
    dref: &DRefId,
    (folder, stubs): (&Path, &Path),
    promised: &Promised<'_>,
) -> Result<Vec<LoadedRealization>> {
    // Stubs come first: one that is filled meanwhile is found twice, and not never.
    let mut all = BTreeMap::new();
    each_realization(dref, stubs, |id, folder, at| {
        if let Some(mut stub) = LoadedRealization::read(id.clone(), folder, at, promised)? {
            stub.is_stub = true;
            all.insert(id, stub);
        }
        Ok(())
    })?;
    let mut found = Vec::new();
    each_realization(dref, folder, |id, folder, at| {
        all.remove(&id);
        found.extend(LoadedRealization::read(id, folder, at, promised)?);
        Ok(())
    })?;
    found.extend(all.into_values());
    Ok(found)
}

/// Whether any realization comes from a multi-run build. Marks matter only then.
fn is_of_several(found: &[LoadedRealization]) -> bool {
    let mut builds = found.iter().flat_map(|found| &found.builds);
    builds.any(BuildRecord::is_of_several)
}

/// The number of shards.
const SHARDS: u8 = 16;

/// Returns the number of a derivation's shard.
fn first_digit(dref: &DRefId) -> u8 {
    dref.hash()[0] >> 4
}

fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    // No panic can leave a part of the index inconsistent.
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The parent folder for lookups of derivations.
pub(super) struct Objects<'a> {
    layout: &'a Layout,
    /// The open folder; only for many lookups.
    folder: Option<OwnedFd>,
}

impl<'a> Objects<'a> {
    /// Prepares a single lookup.
    pub(super) fn of(layout: &'a Layout) -> Self {
        let folder = None;
        Objects { layout, folder }
    }

    /// Prepares `count` lookups.
    pub(super) fn of_many(layout: &'a Layout, count: usize) -> Self {
        // Errors are ignored here, as the lookups report them.
        let opened = || open_place(layout.shared_objects()).ok();
        let folder = (count >= MANY).then(opened).flatten();
        Objects { layout, folder }
    }
}

/// An entry of the index: the content of a derivation's folder.
#[derive(Clone)]
pub(super) struct IndexEntry {
    /// The stamp of the folder before it was read.
    stamp: Stamp,
    pub(super) listing: Listing,
    /// Whether the content is known to be durable.
    pub(super) is_settled: bool,
    /// Whether any later change is certain to change the stamp. Only then is the entry cached.
    lasts: bool,
}

/// A range of shared bytes.
#[derive(Clone)]
pub(super) struct SharedBytes {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) at: std::ops::Range<usize>,
}

impl SharedBytes {
    /// Wraps all of `bytes`.
    fn new(bytes: Vec<u8>) -> Self {
        let at = 0..bytes.len();
        let bytes = Arc::new(bytes);
        SharedBytes { bytes, at }
    }

    pub(super) fn get(&self) -> &[u8] {
        self.bytes.get(self.at.clone()).unwrap_or_default()
    }
}
