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
//! - Before a stage is built its folder is read, whatever the index says.
//!
//! On disk it is `cache/index/<two hex digits>`, one file for all derivations whose hashes begin so, each with a checksum.
//! A file that is missing, or not understood, is as one that has nothing. They may be deleted at any time; garbage
//! collection does.

mod listing;
#[cfg(feature = "cli")]
mod names;
mod shard;
mod stamp;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::layout::Layout;
use super::locks::Manager;
use super::realization::{Found, each_realization};
use crate::Result;
use crate::config::DRefId;
pub(super) use listing::Listing;
use shard::Shard;
use stamp::Stamp;

/// What this process knows of the derivations of a store.
pub(super) struct Index {
    /// By the first byte of their hashes.
    shards: Vec<Mutex<Shard>>,
    #[cfg(feature = "cli")]
    names: names::Names,
}

impl Index {
    pub(super) fn new() -> Self {
        Index {
            shards: (0..=u8::MAX).map(|_| Mutex::default()).collect(),
            #[cfg(feature = "cli")]
            names: names::Names::default(),
        }
    }

    /// What is known of a derivation; nothing if it is not in the store. `afresh` reads it whatever is known.
    pub(super) fn look(
        &self,
        layout: &Layout,
        dref: &DRefId,
        afresh: bool,
    ) -> Result<Option<Known>> {
        let folder = layout.derivation(dref);
        // Before anything is read: what changes from here on gives another one.
        let Some(stamp) = Stamp::of(&folder)? else {
            return Ok(None);
        };
        if !afresh {
            let mut shard = self.shard(dref.hash()[0]);
            if let Some(known) = shard.get(layout, dref, &stamp) {
                return Ok(Some(known));
            }
        }
        // Now, not later: what changes while it is read, within a tick of that time, would not show.
        let lasts = stamp.has_passed();
        let mut found = Vec::new();
        each_realization(dref, &folder, |id, folder, at| {
            found.extend(Found::read(id, folder, at)?);
            Ok(())
        })?;
        let known = Known {
            stamp,
            listing: Listing::of(found),
            is_settled: false,
            lasts,
        };
        if !lasts {
            return Ok(Some(known));
        }
        Ok(Some(self.shard(dref.hash()[0]).insert(layout, dref, known)))
    }

    /// The names of the folders of all derivations, sorted, a line each.
    #[cfg(feature = "cli")]
    pub(super) fn names(&self, manager: &Manager, layout: &Layout) -> Result<Arc<str>> {
        self.names.get(manager, layout)
    }

    /// Notes that what is known of a derivation is on the disk.
    pub(super) fn is_settled(&self, layout: &Layout, dref: &DRefId, known: &Known) {
        if known.lasts {
            let settled = Known {
                is_settled: true,
                ..known.clone()
            };
            self.shard(dref.hash()[0]).insert(layout, dref, settled);
        }
    }

    /// Writes what is new. Nothing depends on it, so that failing is nothing that anybody has to know.
    pub(super) fn save(&self, manager: &Manager, layout: &Layout) {
        for first in 0..=u8::MAX {
            let mut shard = self.shard(first);
            if shard.is_new() {
                let _ = shard.save(manager, layout, first);
            }
        }
    }

    /// Removes the files, which would keep for ever what was known of derivations that are gone.
    pub(super) fn delete(layout: &Layout) {
        let _ = std::fs::remove_dir_all(layout.index());
    }

    fn shard(&self, first: u8) -> MutexGuard<'_, Shard> {
        // Nothing is left half-done under this lock.
        self.shards[usize::from(first)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
    pub(super) bytes: Arc<[u8]>,
    pub(super) at: std::ops::Range<usize>,
}

impl Slice {
    pub(super) fn get(&self) -> &[u8] {
        self.bytes.get(self.at.clone()).unwrap_or_default()
    }
}
