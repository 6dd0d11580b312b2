//! The [`Store`] handle: the root folder of a store and the state that this process keeps about it.

use rustc_hash::FxHashSet;
use rustix::fs::Access;
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::disk::durable::Durability;
use super::disk::format;
use super::disk::layout::{Layout, OUT};
use super::object::context::Context;
use super::using::lease::not_writable;
use super::using::locks::{BuildLock, Manager};
use crate::config::{DRefId, RRefId};
use crate::hash_key::HashKey;
use crate::keys::{Keys, SigningKey};
use crate::{Error, ErrorKind, Result};

/// A handle to a store. Cloning is cheap; clones share one state.
///
/// Opening and reading write nothing. The first realization or publication in a process takes the process's lease, which
/// records what the process uses until it exits, and removes the temporary files of dead processes.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    layout: Layout,
    durability: Durability,
    manager: Arc<Manager>,
    /// Cache of derivations that are known to be durably in the store.
    known: Mutex<FxHashSet<HashKey>>,
    /// Cache of code fingerprints whose texts are known to be durably in the store.
    saved_code: Mutex<HashSet<String>>,
    /// Where the own key is looked for; `None` for the user's.
    keys: Option<Keys>,
    /// The key that signs what is published here, or what is wrong with it.
    signer: OnceLock<std::result::Result<Option<SigningKey>, String>>,
}

impl Store {
    /// Opens the store at `root`. Creates the store if the folder is missing or empty, and completes a store whose creation was
    /// interrupted.
    ///
    /// # Errors
    /// Fails if the folder holds something else, if the store has a newer version, or if a system call fails.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        // Made absolute, so that printed paths stay valid when the process changes its working directory.
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
            None,
        ))
    }

    /// Opens the existing store at `root`. Never creates one.
    ///
    /// # Errors
    /// As [`open`](Self::open); also [`ErrorKind::Missing`](crate::ErrorKind::Missing) if there is no store at `root`.
    pub fn open_existing(root: impl AsRef<Path>) -> Result<Self> {
        format::expect_store(root.as_ref())?;
        Self::open(root)
    }

    /// Returns the root that [`open_default`](Self::open_default) uses: `$PYLIGHTNIX_ROOT`, or `~/_pylightnix` if that is
    /// unset.
    ///
    /// # Errors
    /// Fails if there is no home folder.
    pub fn default_root() -> Result<PathBuf> {
        format::default_root()
    }

    /// Opens the store at `$PYLIGHTNIX_ROOT`, or at `~/_pylightnix` if that is unset.
    ///
    /// # Errors
    /// As [`open`](Self::open); also fails if there is no home folder.
    pub fn open_default() -> Result<Self> {
        Self::open(format::default_root()?)
    }

    /// Returns a handle to the same store with another durability setting.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> Self {
        let Inner {
            layout,
            manager,
            keys,
            ..
        } = &*self.0;
        Self::with(manager.clone(), layout.clone(), durability, keys.clone())
    }

    /// Returns a handle to the same store that signs with the own key among these, if there is one. Otherwise what is published is
    /// signed with that of [the user](Keys::of_user).
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        let Inner {
            layout,
            manager,
            durability,
            ..
        } = &*self.0;
        Self::with(manager.clone(), layout.clone(), *durability, Some(keys))
    }

    /// Returns the keys of which the own one signs what is published here, as far as there are any.
    pub fn keys(&self) -> Option<Keys> {
        self.0.keys.clone().or_else(Keys::of_user)
    }

    /// Returns the key that signs, if there is one. It is looked for once.
    pub(super) fn signer(&self) -> Result<Option<&SigningKey>> {
        let signer = self.0.signer.get_or_init(|| {
            let signing = self.keys().map(|keys| keys.signing());
            signing
                .unwrap_or(Ok(None))
                .map_err(|error| format!("{error}; {}", error.help().unwrap_or_default()))
        });
        signer
            .as_ref()
            .map(Option::as_ref)
            .map_err(|why| Error::new(ErrorKind::Key, format!("nothing can be signed: {why}")))
    }

    fn with(
        manager: Arc<Manager>,
        layout: Layout,
        durability: Durability,
        keys: Option<Keys>,
    ) -> Self {
        Store(Arc::new(Inner {
            layout,
            durability,
            manager,
            known: Mutex::default(),
            saved_code: Mutex::default(),
            keys,
            signer: OnceLock::new(),
        }))
    }

    /// Returns the durability setting: whether publishing waits for the disk.
    pub fn durability(&self) -> Durability {
        self.0.durability
    }

    /// Returns the root folder of the store, as an absolute path.
    pub fn root(&self) -> &Path {
        self.0.layout.root()
    }

    /// Returns the path of a derivation's folder, whether or not it exists.
    pub fn derivation_dir(&self, dref: impl AsRef<DRefId>) -> PathBuf {
        let dref = dref.as_ref();
        self.0.layout.derivation(dref)
    }

    /// Returns the path of a realization's folder, whether or not it exists.
    pub fn realization_dir(&self, rref: impl AsRef<RRefId>) -> PathBuf {
        let rref = rref.as_ref();
        self.0.layout.realization(rref)
    }

    /// Returns the path of a realization's artifact folder, whether or not it exists.
    pub fn out_dir(&self, rref: impl AsRef<RRefId>) -> PathBuf {
        let rref = rref.as_ref();
        self.realization_dir(rref).join(OUT)
    }

    /// Returns the folder for reproducible data. Its users have to tolerate that it is emptied at any time.
    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.layout().cache()
    }

    /// Takes the build lock for `dref` in `context`, which at most one thread of all processes holds. If another thread holds
    /// it, calls `on_wait` once and waits.
    pub(crate) fn lock_build(
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

    /// Takes the build lock as [`lock_build`](Self::lock_build) does, but returns `None` when `go_on` returns `false` while
    /// waiting.
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

    /// Checks from the folders' permissions, without a trial write, that this process may write to the store.
    pub(super) fn expect_writable(&self) -> Result<()> {
        for folder in [self.layout().objects(), self.layout().trash()] {
            rustix::fs::access(&folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|errno| not_writable(Error::io("write to", &folder, errno.into())))?;
        }
        Ok(())
    }

    /// Returns the path of the folder of what runs did, whether or not it exists.
    pub(crate) fn runs_dir(&self) -> PathBuf {
        self.0.layout.runs()
    }

    /// Returns the path of the folder of all derivations.
    #[cfg(target_os = "linux")]
    pub(crate) fn objects_dir(&self) -> PathBuf {
        self.0.layout.objects()
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    pub(super) fn manager(&self) -> &Manager {
        &self.0.manager
    }

    pub(super) fn known(&self) -> MutexGuard<'_, FxHashSet<HashKey>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn saved_code(&self) -> MutexGuard<'_, HashSet<String>> {
        (self.0.saved_code.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn knows(&self, dref: &DRefId) -> bool {
        self.known().contains(&HashKey(*dref.hash()))
    }

    pub(super) fn learn(&self, dref: &DRefId) {
        self.known().insert(HashKey(*dref.hash()));
    }

    pub(super) fn forget_derivation(&self, dref: &DRefId) {
        self.known().remove(&HashKey(*dref.hash()));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Runs leave a few entries of the index unsaved. A process that only reads writes nothing, not even a lease.
        if self.manager.lease_name().is_some() {
            let temporary = || self.manager.temporary();
            self.manager.index().save_all(&temporary, &self.layout);
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.root()).finish()
    }
}
