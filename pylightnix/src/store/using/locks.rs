//! The locks of a store, all taken here.
//!
//! All are `flock`s, which the system drops with the process that holds them, so that none is ever stale. A lock belongs
//! to the descriptor that took it: two descriptors of one process exclude each other as those of two processes do.
//! Therefore `gate` and `gc` have one descriptor a process, shared by counting, and one [`Manager`] serves all the
//! [`Store`](crate::store::Store)s that a process has on one root. Publishing is correct without any lock; only deleting needs
//! that the others hold theirs.
//!
//! | operation | takes | by | for how long |
//! |---|---|---|---|
//! | open, list, read, candidates, check, what a gc would remove | none | | |
//! | first write or first use of a process | its lease `leases/<uuid7>`, exclusive | [`Manager::lease`] | its life |
//! | sweeping what dead processes left, after that | `locks/sweep`, exclusive, if it is free; then each dead lease, exclusive, if it is free | [`Manager::try_lock_sweep`] | the sweep |
//! | saying which derivations are in use: realize, accept, open, pack, unpack, copy, publish | `enter` | [`Manager::enter`] | adding lines to the lease |
//! | build | `locks/b/<dhash>-<context>`, exclusive, then as publish | [`Manager::lock_build`] | the build |
//! | publish, unpack, copy, add a derivation or a build record | `enter` | [`Manager::enter`] | a rename |
//! | add or remove a root, link, unlink | `enter` | [`Manager::enter`] | writing a small file |
//! | gc, removing by hand | `locks/sweep`, exclusive | [`Manager::lock_sweep`] | all of it: one at a time |
//! | gc, removing by hand: moving the dead to the trash | `enter_alone` | [`Manager::enter_alone`] | reading what is new in roots and leases, and one rename for each that goes |
//! | repair: putting a good copy in place | `enter_alone` | [`Manager::enter_alone`] | a few renames |
//!
//! `enter` is `locks/gate` exclusive until `locks/gc` is held, then `locks/gc` shared. `enter_alone` is both exclusive.
//! Who waits for `locks/gc` holds the gate, so that nobody overtakes.
//!
//! Who takes several takes them in the order `locks/b/*` sorted, `locks/sweep`, `locks/gate`, `locks/gc`. Who has entered
//! does not enter again: somebody may wait at the gate for those inside to leave.
//!
//! What a lease says outlives its process until `locks/sweep` is held: so a gc that began before a process published and
//! died still sees what that process used.

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
use crate::store::disk::system::untrusted_system;
use crate::store::index::Index;
use crate::store::object::context::Context;
use crate::store::using::errand::{InHand, is_in_own_hands};
use crate::store::using::flock::{Attempt, attempt, is_at, lock, open_lock, unlock};
use crate::store::using::lease::Lease;
use crate::store::using::sweep::sweep;
use crate::{Error, ErrorKind, Result};

/// Everything that a process holds of one store.
pub(in crate::store) struct Manager {
    layout: Layout,
    index: Index,
    lease: OnceCell<Lease>,
    /// Whether the names that make it a store are on the disk.
    root_is_settled: OnceCell<()>,
    /// How many temporary names were given out.
    drafts: AtomicU64,
    /// Held while a thread of this process passes the gate.
    gate: Mutex<Option<File>>,
    inside: Mutex<Inside>,
    /// Tells that the last one inside has left.
    left: Condvar,
}

/// Who is between entering and leaving.
#[derive(Default)]
struct Inside {
    gc: Option<File>,
    holders: usize,
    /// Whether somebody waits for the last one to leave. Telling costs a system call.
    is_awaited: bool,
}

/// A store's root, however it is spelled: device and inode.
type Identity = (u64, u64);

/// They live as long as the process: results may be in use when the last handle of their store is gone.
static MANAGERS: Mutex<BTreeMap<Identity, Arc<Manager>>> = Mutex::new(BTreeMap::new());

impl Manager {
    /// The one of this process for the store at `root`.
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
            gate: Mutex::new(None),
            inside: Mutex::new(Inside::default()),
            left: Condvar::new(),
        });
        managers.insert(identity, manager.clone());
        Ok(manager)
    }

    /// Whether there is a handle of its store, or it keeps something in use of a store that still is where it was. Each
    /// holds open files, of which a process may not have many.
    fn is_needed(self: &Arc<Self>, known: &Identity) -> bool {
        Arc::strong_count(self) > 1
            || self.lease.get().is_some_and(Lease::names_something)
                && identity(self.layout.root()).is_ok_and(|found| found == *known)
    }

    /// Sees that the names that make this a store are on the disk: who made it may not have come to this yet.
    pub(in crate::store) fn settle_root(&self, durability: Durability) -> Result<()> {
        if durability == Durability::Full {
            let sync = || durability.sync_folder(self.layout.root());
            self.root_is_settled.get_or_try_init(sync)?;
        }
        Ok(())
    }

    /// Notes that this process made the store, and saw to it.
    pub(in crate::store) fn root_is_settled(&self) {
        let _ = self.root_is_settled.set(());
    }

    /// What this process knows of derivations.
    pub(in crate::store) fn index(&self) -> &Index {
        &self.index
    }

    /// A free name for a temporary file or folder of this process. The first call takes the process's lease, makes what
    /// is missing of the store's folders, and sweeps what dead processes left.
    pub(in crate::store) fn temporary(&self) -> Result<PathBuf> {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        Ok(self.lease()?.tmp().join(number.to_string()))
    }

    /// The lease of this process, taken now if it was not yet.
    fn lease(&self) -> Result<&Lease> {
        self.lease.get_or_try_init(|| {
            complete(self.layout.root())?;
            let system = untrusted_system(self.layout.root());
            let lease = Lease::take(&self.layout, system.as_deref())?;
            if let Some(_held) = self.try_lock_sweep()? {
                // What is left is for a collection to tell.
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

    /// The name of this process's lease, if it has one.
    pub(in crate::store) fn lease_name(&self) -> Option<&str> {
        self.lease.get().map(Lease::name)
    }

    /// Says in the lease of this process that these derivations are in use. From then on a gc keeps them.
    pub(in crate::store) fn name_in_use<'a>(
        &self,
        drefs: impl Iterator<Item = &'a DRefId>,
    ) -> Result<()> {
        let lease = self.lease()?;
        let new = lease.not_named(drefs);
        if new.is_empty() {
            return Ok(());
        }
        // Inside, so that a gc reads all or nothing of it.
        let _entered = self.enter()?;
        lease.name_derivations(&new)
    }

    /// The same for the text of a fingerprint.
    pub(in crate::store) fn name_code_in_use(&self, fingerprint: &str) -> Result<()> {
        let lease = self.lease()?;
        let _entered = self.enter()?;
        lease.name_code(fingerprint)
    }

    /// Says in the lease of this process that the root of this name is about to be written, so that a gc under way reads
    /// that one again, and not all of them.
    pub(in crate::store) fn say_root_is_written(&self, _: &Entered<'_>, name: &str) -> Result<()> {
        self.lease()?.name_root(name)
    }

    /// The right to sweep, if nobody has it.
    pub(in crate::store) fn try_lock_sweep(&self) -> Result<Option<SweepLock>> {
        let path = self.layout.locks().join("sweep");
        let file = open_lock(&path)?;
        Ok((attempt(&file, &path)? != Attempt::Held).then_some(SweepLock { _file: file }))
    }

    /// The right to sweep and to remove, which one has at a time; `on_wait` is called if somebody else has it.
    pub(in crate::store) fn lock_sweep(&self, on_wait: &mut dyn FnMut()) -> Result<SweepLock> {
        complete(self.layout.root())?;
        let path = self.layout.locks().join("sweep");
        let file = open_lock(&path)?;
        if attempt(&file, &path)? == Attempt::Held {
            on_wait();
            lock(&file, &path, File::lock)?;
        }
        Ok(SweepLock { _file: file })
    }

    /// The right to build `dref` from `context`; see [`Store::lock_build`](crate::store::Store::lock_build).
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

    /// Keeps garbage collection out until the guard is dropped. To be held for a rename, not for work.
    pub(in crate::store) fn enter(&self) -> Result<Entered<'_>> {
        self.lease()?;
        // Waiting at the gate must not keep those inside from leaving: hence two mutexes.
        let mut gate = guard(&self.gate);
        let locks = self.layout.locks();
        let gate = opened(&mut gate, &locks.join("gate"))?;
        lock(gate, &locks.join("gate"), File::lock)?;
        let entered = self.join_those_inside(&locks.join("gc"));
        unlock(gate);
        entered
    }

    /// With the gate held, nobody has `gc` exclusively, so that this does not wait.
    fn join_those_inside(&self, path: &Path) -> Result<Entered<'_>> {
        let mut inside = guard(&self.inside);
        let first = inside.holders == 0;
        let gc = opened(&mut inside.gc, path)?;
        if first {
            lock(gc, path, File::lock_shared)?;
        }
        inside.holders += 1;
        Ok(Entered(self))
    }

    /// Keeps everybody else out until the guard is dropped, and waits first for those inside to leave. To be held for
    /// renames, not for work.
    pub(in crate::store) fn enter_alone(&self) -> Result<Alone<'_>> {
        let mut gate = guard(&self.gate);
        let locks = self.layout.locks();
        lock(
            opened(&mut gate, &locks.join("gate"))?,
            &locks.join("gate"),
            File::lock,
        )?;
        // From here on a failure has to open the gate again.
        let alone = Alone {
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
        // Who else would wait is at the gate.
        inside.is_awaited = false;
        lock(opened(&mut inside.gc, &path)?, &path, File::lock)?;
        drop(inside);
        Ok(alone)
    }
}

/// Keeps everybody else out while it lives.
pub(in crate::store) struct Alone<'a> {
    gate: MutexGuard<'a, Option<File>>,
    manager: &'a Manager,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        if let Some(gc) = &guard(&self.manager.inside).gc {
            unlock(gc);
        }
        if let Some(gate) = &*self.gate {
            unlock(gate);
        }
    }
}

/// The right to sweep and to remove. Dropping it gives the right on.
#[must_use = "the lock is released when it is dropped"]
pub(in crate::store) struct SweepLock {
    _file: File,
}

/// Keeps garbage collection out while it lives.
pub(in crate::store) struct Entered<'a>(&'a Manager);

impl Drop for Entered<'_> {
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

/// The right to build one derivation in one context, of all processes and threads. Dropping it gives the right on.
#[must_use = "the lock is released when it is dropped"]
#[derive(Debug)]
pub struct BuildLock {
    path: PathBuf,
    _in_hand: InHand,
    _file: File,
}

impl BuildLock {
    /// Takes the lock `path`; `on_wait` is called once if somebody else has it. While it waits, it looks now and then
    /// whether to go on, if it is given something to ask; then it may give nothing.
    fn take(
        dref: &DRefId,
        path: PathBuf,
        on_wait: &mut dyn FnMut(),
        go_on: Option<&dyn Fn() -> bool>,
    ) -> Result<Option<Self>> {
        let mut waited = false;
        // Nothing wakes who waits for a lock of a file, so it has to look.
        let mut pause = Duration::from_millis(1);
        loop {
            let file = open_lock(&path)?;
            if attempt(&file, &path)? == Attempt::Held {
                if is_in_own_hands(&path) {
                    return Err(in_own_hands(dref));
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
            // Its last holder removed the file when it was done: then this is a lock on nothing.
            if is_at(&file, &path) {
                let in_hand = InHand::new(&path);
                return Ok(Some(BuildLock {
                    path,
                    _in_hand: in_hand,
                    _file: file,
                }));
            }
        }
    }
}

impl Drop for BuildLock {
    fn drop(&mut self) {
        // While it is still held, so that the name is never taken from under another holder.
        let _ = fs::remove_file(&self.path);
    }
}

/// Waiting for it would take for ever.
fn in_own_hands(dref: &DRefId) -> Error {
    let message = format!(
        "this thread is already building stage `{}`, and would wait for itself",
        dref.name()
    );
    Error::new(ErrorKind::Plan, message).help(format!(
        "`finish` or `cancel` the build that was taken by hand before this stage is realized, or realize it on another \
         thread; a stage cannot realize itself\nit is about {dref}"
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

/// A thread that panicked while it held one of these mutexes left nothing half-done in it.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
