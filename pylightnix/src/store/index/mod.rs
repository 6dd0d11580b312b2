//! What was read of derivations' realizations, kept so that it need not be read again.
//!
//! The file system stays the only truth. For each derivation the index has what a look into its folder gave, and the
//! [`Stamp`] that the folder had before that look: one `stat` tells whether anything came or went since. What is in doubt is
//! read anew:
//!
//! - Any change to the realizations or build records of a derivation gives its folder a new change time: those that make
//!   one in a folder below set the times of the derivation's own.
//! - A folder that was changed shortly before it was read is not kept: clocks of file systems tick, and a second change within
//!   the tick would not show (as with the index of git, described under "racy git" in its documentation).
//! - So do marks of builds that have begun, which are kept with the realizations: who makes or removes one sets those times.
//! - Before a stage is built its folder is read, whatever the index says.
//!
//! On disk it is `cache/index/<hex digit>`, one file for all derivations whose hashes begin so, each with a checksum.
//! A file that is missing, or not understood, is as one that has nothing. They may be deleted at any time; garbage
//! collection does.

mod checked;
mod listing;
mod names;
mod shard;
mod stamp;

use rustix::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Result;
use crate::config::{ConfigJson, DRefId};
use crate::store::disk::layout::Layout;
use crate::store::disk::system::open_place;
use crate::store::object::begun::marks_of;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::promised::Promised;
use crate::store::object::realization::{Found, each_realization};
use checked::Temporary;
pub(super) use listing::{Listed, Listing};
pub(super) use names::Folders;
use shard::Shard;
use stamp::Stamp;

/// From this many folders on, one call for the folder that holds them all costs less than one call for each.
pub(in crate::store) const MANY: usize = 8;

/// What this process knows of the derivations of a store.
pub(super) struct Index {
    /// By the first hex digit of their hashes: few, as a large plan reads them all, and opening a file takes as long as
    /// reading a hundred derivations.
    shards: Vec<Mutex<Shard>>,
    names: names::Names,
}

impl Index {
    pub(super) fn new() -> Self {
        Index {
            shards: (0..SHARDS)
                .map(|first| Mutex::new(Shard::new(first)))
                .collect(),
            names: names::Names::default(),
        }
    }

    /// What is known of a derivation; nothing if it is not in the store. Its config is read when it has to be, if it is not
    /// given. `afresh` reads all whatever is known.
    pub(super) fn look(
        &self,
        objects: &Objects<'_>,
        dref: &DRefId,
        config: Option<&ConfigJson>,
        afresh: bool,
    ) -> Result<Option<Known>> {
        // Before anything is read: what changes from here on gives another one.
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
        let folder = layout.derivation(dref);
        // Now, not later: what changes while it is read, within a tick of that time, would not show.
        let lasts = stamp.has_passed();
        let promised = Promised::new(&folder, config);
        let mut found = read_realizations(dref, &folder, &promised)?;
        let mut marks = Vec::new();
        if is_of_several(&found) {
            // After the realizations: a build that has begun since has a mark, and one that ended since has none any more,
            // and may have made what was not found yet.
            marks = marks_of(layout, dref)?;
            if marks.is_empty() && !(lasts && Stamp::of(objects, dref)? == Some(stamp)) {
                found = read_realizations(dref, &folder, &promised)?;
                marks = marks_of(layout, dref)?;
            }
        }
        let lasts = lasts && !promised.is_refused();
        let known = Known {
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

    /// The folders of all derivations, sorted by name.
    pub(super) fn folders(
        &self,
        temporary: Temporary<'_>,
        layout: &Layout,
    ) -> Result<Arc<Folders>> {
        self.names.get(temporary, layout)
    }

    /// What is known of a derivation that is as it was, without reading its folder; nothing if that would have to be read.
    pub(super) fn kept(&self, objects: &Objects<'_>, dref: &DRefId) -> Result<Option<Known>> {
        let stamp = Stamp::of(objects, dref)?;
        Ok(stamp.and_then(|stamp| self.shard(dref).get(objects.layout, dref, &stamp)))
    }

    /// Notes that what is known of a derivation is on the disk.
    pub(super) fn is_settled(&self, layout: &Layout, dref: &DRefId, known: &Known) {
        if known.lasts {
            let settled = Known {
                is_settled: true,
                ..known.clone()
            };
            self.shard(dref).insert(layout, dref, settled);
        }
    }

    /// Writes what is new. Nothing depends on it, so that failing is nothing that anybody has to know.
    pub(super) fn save(&self, temporary: Temporary<'_>, layout: &Layout) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            if shard.is_new() {
                let _ = shard.save(temporary, layout);
            }
        }
    }

    /// Removes the files, which would keep for ever what was known of derivations that are gone.
    pub(super) fn delete(layout: &Layout) {
        let _ = std::fs::remove_dir_all(layout.index());
    }

    fn shard(&self, dref: &DRefId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[usize::from(first_digit(dref))])
    }
}

/// What is there of a derivation now.
fn read_realizations(dref: &DRefId, folder: &Path, promised: &Promised<'_>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    each_realization(dref, folder, |id, folder, at| {
        found.extend(Found::read(id, folder, at, promised)?);
        Ok(())
    })?;
    Ok(found)
}

/// Whether any of it was made by one of several runs. Only then there may be marks that matter.
fn is_of_several(found: &[Found]) -> bool {
    let mut builds = found.iter().flat_map(|found| &found.builds);
    builds.any(BuildRecord::is_of_several)
}

/// How many parts the index has.
const SHARDS: u8 = 16;

/// Which part has what is known of a derivation.
fn first_digit(dref: &DRefId) -> u8 {
    dref.hash()[0] >> 4
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Nothing is left half-done under this lock.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the folders of derivations are looked for.
pub(super) struct Objects<'a> {
    layout: &'a Layout,
    /// The folder of all of them, opened, when there are many to look for.
    folder: Option<OwnedFd>,
}

impl<'a> Objects<'a> {
    /// For one.
    pub(super) fn of(layout: &'a Layout) -> Self {
        let folder = None;
        Objects { layout, folder }
    }

    /// For so many.
    pub(super) fn of_many(layout: &'a Layout, count: usize) -> Self {
        // What cannot be opened is told when it is looked for.
        let opened = || open_place(layout.shared_objects()).ok();
        let folder = (count >= MANY).then(opened).flatten();
        Objects { layout, folder }
    }
}

/// What is known of a derivation.
#[derive(Clone)]
pub(super) struct Known {
    /// What its folder had before it was read.
    stamp: Stamp,
    pub(super) listing: Listing,
    /// Whether somebody saw to it that this is on the disk.
    pub(super) is_settled: bool,
    /// Whether any change since it was read gives the folder another stamp. Only such is kept.
    lasts: bool,
}

/// Bytes, and where something lies in them.
#[derive(Clone)]
pub(super) struct Slice {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) at: std::ops::Range<usize>,
}

impl Slice {
    /// All of `bytes`.
    fn new(bytes: Vec<u8>) -> Self {
        let at = 0..bytes.len();
        let bytes = Arc::new(bytes);
        Slice { bytes, at }
    }

    pub(super) fn get(&self) -> &[u8] {
        self.bytes.get(self.at.clone()).unwrap_or_default()
    }
}
