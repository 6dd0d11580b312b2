//! The locks of a store, all taken here.
//!
//! All are `flock`s, which the system drops with the process that holds them, so that none is ever stale. A lock belongs
//! to the descriptor that took it: two descriptors of one process exclude each other as those of two processes do.
//! Therefore `gate` and `gc` have one descriptor a process, shared by counting, and one [`Manager`] serves all the
//! [`Store`](super::Store)s that a process has on one root. Publishing is correct without any lock; only deleting needs
//! that the others hold theirs.
//!
//! | operation | takes | for how long |
//! |---|---|---|
//! | open, list, read, candidates | none | |
//! | first write of a process | its lease `leases/<uuid7>`, exclusive | its life |
//! | sweeping the temporary folders of a dead process | that process's lease, exclusive, if it is free | moving one folder to the trash |
//! | build | `locks/b/<dhash>-<context>`, exclusive, then as publish | the build |
//! | publish, unpack, add a derivation or a build record | `locks/gate` exclusive until `locks/gc` is held, then `locks/gc` shared | a rename |
//!
//! Who takes several takes them in the order `locks/b/*` sorted, `locks/gate`, `locks/gc`.

use once_cell::sync::OnceCell;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::context::Context;
use super::format::complete;
use super::layout::Layout;
use super::lease::Lease;
use super::sweep::sweep;
use crate::config::DRefId;
use crate::{Error, Result};

/// Everything that a process holds of one store.
pub(super) struct Manager {
    layout: Layout,
    lease: OnceCell<Lease>,
    /// How many temporary names were given out.
    drafts: AtomicU64,
    /// Held while a thread of this process passes the gate.
    gate: Mutex<Option<File>>,
    inside: Mutex<Inside>,
}

/// Who is between entering and leaving.
#[derive(Default)]
struct Inside {
    gc: Option<File>,
    holders: usize,
}

/// A store's root, however it is spelled: device and inode.
type Identity = (u64, u64);

static MANAGERS: Mutex<BTreeMap<Identity, Weak<Manager>>> = Mutex::new(BTreeMap::new());

impl Manager {
    /// The one of this process for the store at `root`.
    pub(super) fn of(root: &Path) -> Result<Arc<Manager>> {
        let found = fs::metadata(root).map_err(|error| Error::io("look at", root, error))?;
        let mut managers = guard(&MANAGERS);
        managers.retain(|_, manager| manager.strong_count() > 0);
        let identity = (found.dev(), found.ino());
        if let Some(manager) = managers.get(&identity).and_then(Weak::upgrade) {
            return Ok(manager);
        }
        let manager = Arc::new(Manager {
            layout: Layout::new(root.to_owned()),
            lease: OnceCell::new(),
            drafts: AtomicU64::new(0),
            gate: Mutex::new(None),
            inside: Mutex::new(Inside::default()),
        });
        managers.insert(identity, Arc::downgrade(&manager));
        Ok(manager)
    }

    /// A free name for a temporary file or folder of this process. The first call takes the process's lease, makes what
    /// is missing of the store's folders, and sweeps what dead processes left.
    pub(super) fn temporary(&self) -> Result<PathBuf> {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        Ok(self.lease()?.tmp().join(number.to_string()))
    }

    /// The lease of this process, taken now if it was not yet.
    fn lease(&self) -> Result<&Lease> {
        self.lease.get_or_try_init(|| {
            complete(self.layout.root())?;
            let lease = Lease::take(&self.layout)?;
            sweep(&self.layout, lease.name());
            Ok(lease)
        })
    }

    /// The right to build `dref` from `context`; see [`Store::lock_build`](super::Store::lock_build).
    pub(super) fn lock_build(
        &self,
        dref: &DRefId,
        context: &Context,
        on_wait: &mut dyn FnMut(),
    ) -> Result<BuildLock> {
        self.lease()?;
        BuildLock::take(self.layout.build_lock(dref, context), on_wait)
    }

    /// Keeps garbage collection out until the guard is dropped. To be held for a rename, not for work.
    pub(super) fn enter(&self) -> Result<Entered<'_>> {
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
}

/// Keeps garbage collection out while it lives.
pub(super) struct Entered<'a>(&'a Manager);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut inside = guard(&self.0.inside);
        inside.holders -= 1;
        if inside.holders == 0
            && let Some(gc) = &inside.gc
        {
            unlock(gc);
        }
    }
}

/// The right to build one derivation in one context, of all processes and threads. Dropping it gives the right on.
#[must_use = "the lock is released when it is dropped"]
#[derive(Debug)]
pub struct BuildLock {
    path: PathBuf,
    _file: File,
}

impl BuildLock {
    /// Takes the lock `path`; `on_wait` is called once if somebody else has it.
    pub(super) fn take(path: PathBuf, on_wait: &mut dyn FnMut()) -> Result<Self> {
        let mut waited = false;
        loop {
            let file = open_lock(&path)?;
            if attempt(&file, &path)? == Attempt::Held {
                if !waited {
                    waited = true;
                    on_wait();
                }
                lock(&file, &path, File::lock)?;
            }
            // Its last holder removed the file when it was done: then this is a lock on nothing.
            if is_at(&file, &path) {
                return Ok(BuildLock { path, _file: file });
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

/// What came of a try-lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    Taken,
    Held,
    /// The file system has no locks.
    Unknown,
}

/// Takes an exclusive lock if nobody has one.
pub(super) fn attempt(file: &File, path: &Path) -> Result<Attempt> {
    loop {
        return match file.try_lock() {
            Ok(()) => Ok(Attempt::Taken),
            Err(TryLockError::WouldBlock) => Ok(Attempt::Held),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {
                continue;
            }
            Err(TryLockError::Error(error)) if lacks_locks(&error) => Ok(Attempt::Unknown),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path, error)),
        };
    }
}

/// Waits for a lock. Where the file system has none there is nothing to wait for: publishing does not depend on it.
fn lock(file: &File, path: &Path, how: fn(&File) -> io::Result<()>) -> Result<()> {
    loop {
        return match how(file) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if !lacks_locks(&error) => Err(Error::io("lock", path, error)),
            _ => Ok(()),
        };
    }
}

fn unlock(file: &File) {
    // It fails only for descriptors that are no files, or where there are no locks.
    let _ = file.unlock();
}

fn lacks_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.kind() == io::ErrorKind::Unsupported
        || [Errno::NOLCK, Errno::NOSYS, Errno::NOTSUP]
            .map(|errno| Some(errno.raw_os_error()))
            .contains(&error.raw_os_error())
}

/// Whether `file` is still what `path` names.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Opens a file to be locked, made if it is missing.
fn open_lock(path: &Path) -> Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags);
    let opened = match options.clone().write(true).create(true).open(path) {
        // Another user's, in a store that is shared: reading is enough to lock it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options.open(path),
        opened => opened,
    };
    opened.map_err(|error| Error::io("open the lock", path, error))
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
