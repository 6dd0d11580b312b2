//! The locks of a store and their order. All locks are taken in this file.
//!
//! All are `flock`s, which the kernel releases when their process exits, so that none is ever stale. A `flock` belongs to an
//! open file: two descriptors in one process exclude each other like those of two processes. Therefore a process has one
//! descriptor for each of `gate` and `gc`, with a count of its holders, and one [`Manager`] for all
//! [`Store`](crate::store::Store) handles of a root. Publishing is correct without any lock; only deletion relies on the locks
//! of other processes.
//!
//! | operation | takes | by | for how long |
//! |---|---|---|---|
//! | open, list, read, candidates, check, dry run of garbage collection | none | | |
//! | first write or first use by a process | its lease `leases/<uuid7>`, exclusive | [`Manager::lease`] | its lifetime |
//! | sweep after that | `locks/sweep`, exclusive, if it is free; then each dead lease, exclusive, if it is free |
//! [`Manager::try_lock_sweep`] | the sweep |
//! | record derivations in use: realize, accept, open, pack, unpack, copy, publish | shared | [`Manager::lock_shared`] | appending to
//! the lease |
//! | build | `locks/b/<dhash>-<context>`, exclusive, then as publish | [`Manager::lock_build`] | the build |
//! | publish, unpack, copy, add a derivation or a build record | shared | [`Manager::lock_shared`] | one rename |
//! | add or remove a root, link, unlink | shared | [`Manager::lock_shared`] | writing a small file |
//! | garbage collection, manual removal | `locks/sweep`, exclusive | [`Manager::lock_sweep`] | the whole operation: one at a
//! time |
//! | garbage collection, manual removal: move to the trash | exclusive | [`Manager::lock_exclusive`] | reading new roots and lease
//! lines, and one rename for each object |
//! | repair: install a good copy | exclusive | [`Manager::lock_exclusive`] | a few renames |
//!
//! "Shared" means: hold `locks/gate` exclusively until `locks/gc` is held shared. "Exclusive" means: hold both exclusively. A
//! waiter for `locks/gc` holds the gate, so that newcomers cannot starve it.
//!
//! Lock order: `locks/b/*` sorted by name, `locks/sweep`, `locks/gate`, `locks/gc`. A holder of the shared lock must not take
//! it again: a waiter for the exclusive lock may hold the gate until the holder is gone.
//!
//! A lease outlives its process until `locks/sweep` is held next, so that a running garbage collection still sees what a
//! process used that has published and exited since.

use once_cell::sync::OnceCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::config::DRefId;
use crate::store::disk::durable::Durability;
use crate::store::disk::format::complete;
use crate::store::disk::layout::Layout;
use crate::store::disk::share::CanShareBlocks;
use crate::store::disk::system::untrusted_system;
use crate::store::index::Index;
use crate::store::object::context::Context;
use crate::store::using::deadlock::{HeldLock, would_deadlock};
use crate::store::using::flock::{TryLock, attempt, is_at, lock, open_lock, unlock};
use crate::store::using::lease::Lease;
use crate::store::using::sweep::sweep;
use crate::{Error, ErrorKind, Result};

/// The state of one store in this process.
pub(in crate::store) struct Manager {
    layout: Layout,
    index: Index,
    lease: OnceCell<Lease>,
    /// Whether the creation of the store is known to be durable.
    root_is_settled: OnceCell<()>,
    /// The counter for temporary names.
    drafts: AtomicU64,
    reflinks: CanShareBlocks,
    /// Held while a thread of this process passes the gate.
    gate: Mutex<Option<File>>,
    inside: Mutex<SharedState>,
    /// Notified when the last holder of the shared lock leaves.
    left: Condvar,
}

/// The holders of the shared lock in this process.
#[derive(Default)]
struct SharedState {
    gc: Option<File>,
    holders: usize,
    /// Whether a thread waits for the last holder; a notification costs a system call.
    is_awaited: bool,
}

/// The identity of a store's root, independent of its path: device and inode.
type Identity = (u64, u64);

/// Entries live as long as the process: results may be in use after the last handle of their store is dropped.
static MANAGERS: Mutex<BTreeMap<Identity, Arc<Manager>>> = Mutex::new(BTreeMap::new());

impl Manager {
    /// Returns this process's manager for the store at `root`.
    pub(in crate::store) fn of(root: &Path) -> Result<Arc<Manager>> {
        let identity = identity(root).map_err(|error| Error::io("look at", root, error))?;
        let mut managers = guard(&MANAGERS);
        managers.retain(|identity, manager| manager.is_needed(identity));
        if let Some(manager) = managers.get(&identity) {
            return Ok(manager.clone());
        }
        let manager = Arc::new(Manager {
            layout: Layout::new(root.to_owned()),
            index: Index::new(),
            lease: OnceCell::new(),
            root_is_settled: OnceCell::new(),
            drafts: AtomicU64::new(0),
            reflinks: CanShareBlocks::assumed(),
            gate: Mutex::new(None),
            inside: Mutex::new(SharedState::default()),
            left: Condvar::new(),
        });
        managers.insert(identity, manager.clone());
        Ok(manager)
    }

    /// Whether the manager has handles, or protects something in a store that still exists. Others are dropped, as each holds
    /// open files.
    fn is_needed(self: &Arc<Self>, known: &Identity) -> bool {
        Arc::strong_count(self) > 1
            || self.lease.get().is_some_and(Lease::records_use)
                && identity(self.layout.root()).is_ok_and(|found| found == *known)
    }

    /// Syncs the root folder, unless that is done: the process that created the store may not have synced it yet.
    pub(in crate::store) fn settle_root(&self, durability: Durability) -> Result<()> {
        if durability == Durability::Full {
            let sync = || durability.sync_folder(self.layout.root());
            self.root_is_settled.get_or_try_init(sync)?;
        }
        Ok(())
    }

    /// Notes that this process has created and synced the store.
    pub(in crate::store) fn root_is_settled(&self) {
        let _ = self.root_is_settled.set(());
    }

    /// Returns whether files of the store can share blocks, as far as this process knows.
    pub(in crate::store) fn reflinks(&self) -> &CanShareBlocks {
        &self.reflinks
    }

    /// Returns the index of derivations.
    pub(in crate::store) fn index(&self) -> &Index {
        &self.index
    }

    /// Returns an unused path for a temporary file or folder. The first call takes the process's lease, creates missing folders
    /// of the store, and sweeps after dead processes.
    pub(in crate::store) fn temporary(&self) -> Result<PathBuf> {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        Ok(self.lease()?.tmp().join(number.to_string()))
    }

    /// Returns the lease of this process, taking it at the first call.
    fn lease(&self) -> Result<&Lease> {
        self.lease.get_or_try_init(|| {
            complete(self.layout.root())?;
            let system = untrusted_system(self.layout.root());
            let lease = Lease::take(&self.layout, system.as_deref())?;
            if let Some(_held) = self.try_lock_sweep()? {
                // Errors are ignored here; garbage collection reports them.
                drop(sweep(
                    &self.layout,
                    Some(lease.name()),
                    system.is_none(),
                    false,
                ));
            }
            Ok(lease)
        })
    }

    /// Returns the name of this process's lease, if it has one.
    pub(in crate::store) fn lease_name(&self) -> Option<&str> {
        self.lease.get().map(Lease::name)
    }

    /// Records in the lease that this process uses these derivations, so that garbage collection keeps them.
    pub(in crate::store) fn record_in_use<'a>(
        &self,
        drefs: impl Iterator<Item = &'a DRefId>,
    ) -> Result<()> {
        let lease = self.lease()?;
        let new = lease.not_recorded(drefs);
        if new.is_empty() {
            return Ok(());
        }
        // Under the shared lock, so that garbage collection reads all or nothing of it.
        let _shared = self.lock_shared()?;
        lease.add_derivations(&new)
    }

    /// Records in the lease that this process uses the text of a fingerprint.
    pub(in crate::store) fn record_code_in_use(&self, fingerprint: &str) -> Result<()> {
        let lease = self.lease()?;
        let _shared = self.lock_shared()?;
        lease.add_code(fingerprint)
    }

    /// Announces in the lease that a root is about to be written, so that a running garbage collection reads this root again
    /// rather than all roots.
    pub(in crate::store) fn announce_root(&self, _: &SharedGuard<'_>, name: &str) -> Result<()> {
        self.lease()?.add_root_name(name)
    }

    /// Takes the sweep lock, or returns `None` if it is held.
    pub(in crate::store) fn try_lock_sweep(&self) -> Result<Option<SweepLock>> {
        let path = self.layout.locks().join("sweep");
        let file = open_lock(&path)?;
        Ok((attempt(&file, &path)? != TryLock::Held).then_some(SweepLock { _file: file }))
    }

    /// Takes the sweep lock, which serializes sweeps and removals. Calls `on_wait` if it has to wait.
    pub(in crate::store) fn lock_sweep(&self, on_wait: &mut dyn FnMut()) -> Result<SweepLock> {
        complete(self.layout.root())?;
        let path = self.layout.locks().join("sweep");
        let file = open_lock(&path)?;
        if attempt(&file, &path)? == TryLock::Held {
            on_wait();
            lock(&file, &path, File::lock)?;
        }
        Ok(SweepLock { _file: file })
    }

    /// Takes a build lock; see [`Store::lock_build`](crate::store::Store::lock_build).
    pub(in crate::store) fn lock_build(
        &self,
        dref: &DRefId,
        context: &Context,
        on_wait: &mut dyn FnMut(),
        go_on: Option<&dyn Fn() -> bool>,
    ) -> Result<Option<BuildLock>> {
        self.lease()?;
        BuildLock::take(dref, self.layout.build_lock(dref, context), on_wait, go_on)
    }

    /// Takes the shared lock, which excludes garbage collection. Meant to be held for a rename, not for a computation.
    pub(in crate::store) fn lock_shared(&self) -> Result<SharedGuard<'_>> {
        self.lease()?;
        // Two mutexes: waiting at the gate must not block holders from leaving.
        let mut gate = guard(&self.gate);
        let locks = self.layout.locks();
        let gate = opened(&mut gate, &locks.join("gate"))?;
        lock(gate, &locks.join("gate"), File::lock)?;
        let shared = self.join_shared(&locks.join("gc"));
        unlock(gate);
        shared
    }

    /// Takes `gc` shared. Does not block, as the exclusive lock cannot be held by anyone while this holds the gate.
    fn join_shared(&self, path: &Path) -> Result<SharedGuard<'_>> {
        let mut inside = guard(&self.inside);
        let first = inside.holders == 0;
        let gc = opened(&mut inside.gc, path)?;
        if first {
            lock(gc, path, File::lock_shared)?;
        }
        inside.holders += 1;
        Ok(SharedGuard(self))
    }

    /// Takes the exclusive lock after waiting for all holders of the shared lock. Meant to be held for renames, not for a
    /// computation.
    pub(in crate::store) fn lock_exclusive(&self) -> Result<ExclusiveGuard<'_>> {
        let mut gate = guard(&self.gate);
        let locks = self.layout.locks();
        lock(
            opened(&mut gate, &locks.join("gate"))?,
            &locks.join("gate"),
            File::lock,
        )?;
        // Constructed now, so that an error below releases the gate.
        let exclusive = ExclusiveGuard {
            gate,
            manager: self,
        };
        let path = locks.join("gc");
        let mut inside = guard(&self.inside);
        while inside.holders > 0 {
            inside.is_awaited = true;
            inside = self
                .left
                .wait(inside)
                .unwrap_or_else(PoisonError::into_inner);
        }
        // All other threads that want the lock wait at the gate.
        inside.is_awaited = false;
        lock(opened(&mut inside.gc, &path)?, &path, File::lock)?;
        drop(inside);
        Ok(exclusive)
    }
}

/// The guard of the exclusive lock.
pub(in crate::store) struct ExclusiveGuard<'a> {
    gate: MutexGuard<'a, Option<File>>,
    manager: &'a Manager,
}

impl Drop for ExclusiveGuard<'_> {
    fn drop(&mut self) {
        if let Some(gc) = &guard(&self.manager.inside).gc {
            unlock(gc);
        }
        if let Some(gate) = &*self.gate {
            unlock(gate);
        }
    }
}

/// The guard of the sweep lock.
#[must_use = "the lock is released when it is dropped"]
pub(in crate::store) struct SweepLock {
    _file: File,
}

/// The guard of the shared lock.
pub(in crate::store) struct SharedGuard<'a>(&'a Manager);

impl Drop for SharedGuard<'_> {
    fn drop(&mut self) {
        let mut inside = guard(&self.0.inside);
        inside.holders -= 1;
        if inside.holders == 0 {
            if let Some(gc) = &inside.gc {
                unlock(gc);
            }
            if inside.is_awaited {
                self.0.left.notify_all();
            }
        }
    }
}

/// The lock for building one derivation in one context, which excludes all other processes and threads. Released on drop.
#[must_use = "the lock is released when it is dropped"]
#[derive(Debug)]
pub struct BuildLock {
    path: PathBuf,
    _held: HeldLock,
    _file: File,
}

impl BuildLock {
    /// Takes the lock at `path`. Calls `on_wait` once if it has to wait. With `go_on`, polls while waiting, and returns `None`
    /// when `go_on` returns `false`.
    fn take(
        dref: &DRefId,
        path: PathBuf,
        on_wait: &mut dyn FnMut(),
        go_on: Option<&dyn Fn() -> bool>,
    ) -> Result<Option<Self>> {
        let mut waited = false;
        // `flock` has no timeout, so waiting with `go_on` means polling.
        let mut pause = Duration::from_millis(1);
        loop {
            let file = open_lock(&path)?;
            if attempt(&file, &path)? == TryLock::Held {
                if would_deadlock(&path) {
                    return Err(deadlock_error(dref));
                }
                if !waited {
                    waited = true;
                    on_wait();
                }
                match go_on {
                    None => lock(&file, &path, File::lock)?,
                    Some(go_on) if !go_on() => return Ok(None),
                    Some(_) => {
                        thread::sleep(pause);
                        pause = (pause * 2).min(Duration::from_millis(100));
                        continue;
                    }
                }
            }
            // The previous holder may have removed the file; the lock is then on an unlinked file.
            if is_at(&file, &path) {
                let held = HeldLock::new(&path);
                return Ok(Some(BuildLock {
                    path,
                    _held: held,
                    _file: file,
                }));
            }
        }
    }
}

impl Drop for BuildLock {
    fn drop(&mut self) {
        // Before releasing the lock, so that the file of a later holder is never removed.
        let _ = fs::remove_file(&self.path);
    }
}

/// Returns the error for a wait that would deadlock.
fn deadlock_error(dref: &DRefId) -> Error {
    let message = format!(
        "this thread is already building stage `{}`, and would wait for itself",
        dref.name()
    );
    Error::new(ErrorKind::Plan, message).with_help(format!(
        "`finish` or `cancel` the build that was taken by hand before this stage is realized, or realize it on another \
         thread; a stage cannot realize itself\nthe derivation is {dref}"
    ))
}

fn identity(root: &Path) -> io::Result<Identity> {
    fs::metadata(root).map(|found| (found.dev(), found.ino()))
}

fn opened<'a>(slot: &'a mut Option<File>, path: &Path) -> Result<&'a File> {
    let file = match slot.take() {
        Some(file) => file,
        None => open_lock(path)?,
    };
    Ok(slot.insert(file))
}

/// Locks a mutex and ignores poisoning: no panic can leave the protected state inconsistent.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
