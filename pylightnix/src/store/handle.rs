//! The handle of a store: where it lies, and what this process knows of it.

use rustix::fs::Access;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::durable::Durability;
use super::disk::format;
use super::disk::layout::{Layout, OUT};
use super::object::context::Context;
use super::using::lease::not_writable;
use super::using::locks::{BuildLock, Manager};
use crate::config::{DRefId, RRefId};
use crate::{Error, Result};

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

    /// That this process may write to the store, by the modes of its folders: nothing is tried.
    pub(super) fn expect_writable(&self) -> Result<()> {
        for folder in [self.layout().objects(), self.layout().trash()] {
            rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|errno| not_writable(Error::io("write to", &folder, errno.into())))?;
        }
        Ok(())
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    pub(super) fn manager(&self) -> &Manager {
        &self.0.manager
    }

    pub(super) fn known(&self) -> MutexGuard<'_, HashSet<DRefId>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn saved_code(&self) -> MutexGuard<'_, HashSet<String>> {
        (self.0.saved_code.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn knows(&self, dref: &DRefId) -> bool {
        self.known().contains(dref)
    }

    pub(super) fn learn(&self, dref: &DRefId) {
        self.known().insert(dref.clone());
    }

    pub(super) fn forget_derivation(&self, dref: &DRefId) {
        self.known().remove(dref);
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.root()).finish()
    }
}
