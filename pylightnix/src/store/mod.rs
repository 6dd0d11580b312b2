//! The store on disk: derivations, their realizations, and everything that is written about them.
//!
//! The file system is the only truth: there is no database and no daemon. What is visible under `store-v1/` is whole and
//! never changes, whatever process dies, whenever. This module knows bytes and references, and nothing of stages.

mod archive;
mod begun;
mod below;
mod build_record;
mod builds;
mod bytes;
mod check;
mod choice;
mod clock;
mod code;
mod commit;
mod context;
mod copy;
mod derivation;
mod draft;
mod duplicate;
mod durable;
mod durations;
mod errand;
mod follow;
mod format;
mod gc;
mod in_use;
mod index;
mod lacking;
mod layout;
mod lease;
mod link;
mod list;
mod locks;
mod look;
mod mounts;
mod own_links;
mod parallel;
mod passing;
mod paths;
mod place;
mod promised;
mod query;
mod realization;
mod record;
pub(crate) mod regular;
mod remains;
mod remove;
mod repair;
mod reserve;
mod room;
mod roots;
mod running;
mod scan;
mod seal;
mod sparse;
mod spool;
mod staging;
mod survey;
mod sweep;
mod sync_crew;
mod target;
mod there;
mod tree;
mod unsynced;
mod whole;
mod writers;

use rustix::fs::Access;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use archive::{Pack, Unpack};
pub use build_record::{BuildKind, BuildRecord};
pub use check::{Check, CheckEvent, CheckReport, Fault, FaultKind, Note};
pub use choice::RecordedChoice;
pub use context::Context;
pub use draft::{Draft, Published};
pub use durable::Durability;
#[cfg(feature = "cli")]
pub(crate) use durable::is_refused_to_write;
pub use follow::FollowLog;
pub use gc::{Collected, Gc, GcEvent, GcReport, Removal};
#[cfg(feature = "fetch")]
pub(crate) use layout::FETCHES;
pub use locks::BuildLock;
#[cfg(feature = "cli")]
pub(crate) use look::Unread;
pub(crate) use look::{Look, Looker, Sole};
pub use query::{
    Cell, Column, ColumnKind, Comparison, Diff, DiskUsage, FileChange, Find, Finding,
    FirstDifference, Found, Graph, Identifier, Lens, Reference, Row, Series, Taken, TakenBy,
};
pub use realization::Realization;
pub use record::{Outcome, Record, RecordHead};
pub use repair::{Repair, RepairAction, RepairReport, Repaired};
pub use roots::{Root, RootRun};
pub use running::RunningBuild;
pub use tree::{Entry, EntryKind, Manifest, TreeDigest};

#[cfg(feature = "cli")]
pub(crate) use archive::{Written, examine, open_archive};
pub(crate) use begun::Begun;
#[cfg(feature = "cli")]
pub(crate) use build_record::user;
pub(crate) use builds::BuildHead;
pub(crate) use clock::{Clock, ahead, newest_first};
pub(crate) use draft::Made;
pub(crate) use duplicate::{Refusal, duplicate};
pub(crate) use errand::Errand;
#[cfg(feature = "cli")]
pub(crate) use gc::bytes as bytes_text;
pub(crate) use lacking::Lack;
pub(crate) use parallel::{cores, map as in_parallel};
pub(crate) use paths::{Lead, Paths};
pub(crate) use query::compare;
#[cfg(feature = "unpack")]
pub(crate) use room::free_bytes;
pub(crate) use room::is_full;
#[cfg(feature = "cli")]
pub(crate) use roots::TargetResults;
pub(crate) use scan::{Scanned, ScannedKind, Walk, special};
pub(crate) use seal::hash;
#[cfg(feature = "unpack")]
pub(crate) use sparse::SparseWriter;
#[cfg(feature = "cli")]
pub(crate) use spool::spooled;
#[cfg(feature = "cli")]
pub(crate) use target::Target;
pub(crate) use there::is_there;
pub(crate) use tree::check_path;
#[cfg(feature = "unpack")]
pub(crate) use tree::check_target;
pub(crate) use writers::{Writers, writers};

use crate::config::{DRefId, RRefId};
use crate::{Error, Result};
use layout::{Layout, OUT};
use lease::not_writable;
use locks::Manager;

/// A store. Clones are the same one.
///
/// Opening and reading write nothing; the first realizing or publishing of a process takes its lease, which says what the
/// process uses until it ends, and clears away what dead processes left under way.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    layout: Layout,
    durability: Durability,
    manager: Arc<Manager>,
    /// The derivations that are known to be in the store, durably.
    known: Mutex<HashSet<DRefId>>,
    /// The fingerprints whose texts are known to be in the store, durably.
    saved_code: Mutex<HashSet<String>>,
}

impl Store {
    /// Opens the store at `root`. A missing or an empty folder becomes one, and one whose making was cut short is
    /// completed.
    ///
    /// # Errors
    /// A folder that holds something else, a store of a newer version, a refusal of the system.
    pub fn open_at(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        // What is printed should be what was given, and stay true when the process changes its folder.
        let root = std::path::absolute(root).map_err(|error| Error::io("find", root, error))?;
        let made = format::open(&root)?;
        let manager = Manager::of(&root)?;
        if made {
            manager.root_is_settled();
        }
        Ok(Self::with(
            manager,
            Layout::new(root),
            Durability::default(),
        ))
    }

    /// Opens the store at `root`, which has to be there: nothing is made.
    ///
    /// # Errors
    /// As [`open_at`](Self::open_at); no store there ([`ErrorKind::Missing`](crate::ErrorKind::Missing)).
    pub fn open_existing_at(root: impl AsRef<Path>) -> Result<Self> {
        format::expect_store(root.as_ref())?;
        Self::open_at(root)
    }

    /// Where [`open_default`](Self::open_default) opens a store: `$PYLIGHTNIX_ROOT`, or `~/_pylightnix` if that is not set.
    ///
    /// # Errors
    /// There is no home folder.
    pub fn default_root() -> Result<PathBuf> {
        format::default_root()
    }

    /// Opens the store at `$PYLIGHTNIX_ROOT`, or at `~/_pylightnix` if that is not set.
    ///
    /// # Errors
    /// As [`open_at`](Self::open_at); also when there is no home folder.
    pub fn open_default() -> Result<Self> {
        Self::open_at(format::default_root()?)
    }

    /// The same store, with other care for power cuts.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> Self {
        Self::with(self.0.manager.clone(), self.0.layout.clone(), durability)
    }

    fn with(manager: Arc<Manager>, layout: Layout, durability: Durability) -> Self {
        Store(Arc::new(Inner {
            layout,
            durability,
            manager,
            known: Mutex::default(),
            saved_code: Mutex::default(),
        }))
    }

    /// How hard it works to keep what is published through a power cut.
    pub fn durability(&self) -> Durability {
        self.0.durability
    }

    /// Its folder, an absolute path.
    pub fn root(&self) -> &Path {
        self.0.layout.root()
    }

    /// The folder of a derivation, whether it is there or not.
    pub fn derivation_dir(&self, dref: &DRefId) -> PathBuf {
        self.0.layout.derivation(dref)
    }

    /// The folder of a realization, whether it is there or not.
    pub fn realization_dir(&self, rref: &RRefId) -> PathBuf {
        self.0.layout.realization(rref)
    }

    /// The folder of a realization's artifacts, whether it is there or not.
    pub fn out_dir(&self, rref: &RRefId) -> PathBuf {
        self.realization_dir(rref).join(OUT)
    }

    /// The folder for what can be made again: whoever uses it has to bear that it is emptied at any time.
    #[cfg(feature = "cli")]
    pub(crate) fn temporary_dir(&self) -> PathBuf {
        self.layout().tmp()
    }

    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.layout().cache()
    }

    /// Takes the right to build `dref` from `context`, which one thread of all processes can have. `on_wait` is called
    /// once if another one has it, and then this waits.
    ///
    /// # Errors
    /// A refusal of the system; a right that this thread has already, or a thread that waits for it.
    pub fn lock_build(
        &self,
        dref: &DRefId,
        context: &Context,
        on_wait: &mut dyn FnMut(),
    ) -> Result<BuildLock> {
        match self.0.manager.lock_build(dref, context, on_wait, None)? {
            Some(lock) => Ok(lock),
            None => unreachable!("it waits as long as it takes"),
        }
    }

    /// As [`lock_build`](Self::lock_build), but gives nothing when `go_on` says no while it waits.
    pub(crate) fn lock_build_while(
        &self,
        dref: &DRefId,
        context: &Context,
        on_wait: &mut dyn FnMut(),
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<BuildLock>> {
        let go_on = Some(go_on);
        self.0.manager.lock_build(dref, context, on_wait, go_on)
    }

    /// Begins a build: a fresh, empty folder to write into.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn draft(&self) -> Result<Draft> {
        Draft::begin(self, "")
    }

    /// The same for a run of a derivation that the lease names: others can see it, [`running`](Self::running).
    pub(crate) fn draft_of(&self, dref: &DRefId, index: usize) -> Result<Draft> {
        Draft::begin(self, &running::mark(dref, index))
    }

    /// That this process may write to the store, by the modes of its folders: nothing is tried.
    fn expect_writable(&self) -> Result<()> {
        for folder in [self.layout().objects(), self.layout().trash()] {
            rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|errno| not_writable(Error::io("write to", &folder, errno.into())))?;
        }
        Ok(())
    }

    fn layout(&self) -> &Layout {
        &self.0.layout
    }

    fn manager(&self) -> &Manager {
        &self.0.manager
    }

    fn known(&self) -> MutexGuard<'_, HashSet<DRefId>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn saved_code(&self) -> MutexGuard<'_, HashSet<String>> {
        (self.0.saved_code.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    fn knows(&self, dref: &DRefId) -> bool {
        self.known().contains(dref)
    }

    fn learn(&self, dref: &DRefId) {
        self.known().insert(dref.clone());
    }

    fn forget_derivation(&self, dref: &DRefId) {
        self.known().remove(dref);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.root()).finish()
    }
}
