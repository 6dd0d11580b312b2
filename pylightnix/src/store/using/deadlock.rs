//! Deadlock detection for build locks: records which thread of this process holds which lock, and which threads wait for which.
//! A thread must not wait for a lock that is held by itself or by a thread that waits for it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

thread_local! {
    /// The threads that wait for the work of this thread.
    static WAITING: RefCell<Arc<[ThreadId]>> = RefCell::new(Arc::new([]));
}

/// The build locks that threads hold, each with its holder.
static HELD: Mutex<Vec<(PathBuf, ThreadId)>> = Mutex::new(Vec::new());

/// The threads that wait for a piece of work: the thread that hands it out, and those that wait for that thread.
#[derive(Clone)]
pub(crate) struct Waiters(Arc<[ThreadId]>);

impl Waiters {
    /// Returns the waiters for work that this thread is about to hand out.
    pub(crate) fn with_this_thread() -> Self {
        let before = WAITING.with_borrow(Arc::clone);
        let own = thread::current().id();
        match before.contains(&own) {
            true => Waiters(before),
            false => Waiters(before.iter().copied().chain([own]).collect()),
        }
    }

    /// Runs `work`, on any thread, on behalf of these waiters.
    pub(crate) fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let _restore = RestoreGuard(WAITING.replace(self.0.clone()));
        work()
    }
}

/// A guard that restores the previous waiters of this thread.
struct RestoreGuard(Arc<[ThreadId]>);

impl Drop for RestoreGuard {
    fn drop(&mut self) {
        WAITING.set(self.0.clone());
    }
}

/// A guard that registers a build lock as held by this thread. It has to be dropped before the lock is released; the next
/// holder may be registered before this entry is gone.
#[derive(Debug)]
pub(in crate::store) struct HeldLock {
    lock: PathBuf,
    holder: ThreadId,
}

impl HeldLock {
    /// Registers the lock as held by the current thread.
    pub(in crate::store) fn new(lock: &Path) -> Self {
        let (lock, holder) = (lock.to_owned(), thread::current().id());
        held().push((lock.clone(), holder));
        HeldLock { lock, holder }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let mut held = held();
        let is_this =
            |(lock, holder): &(PathBuf, ThreadId)| *holder == self.holder && *lock == self.lock;
        if let Some(at) = held.iter().position(is_this) {
            held.swap_remove(at);
        }
    }
}

/// Whether waiting for a build lock would deadlock: this thread, or one that waits for it, holds the lock.
pub(in crate::store) fn would_deadlock(lock: &Path) -> bool {
    let held = held();
    let mut holders = held.iter().filter(|(path, _)| path == lock);
    let own = thread::current().id();
    holders.any(|(_, holder)| {
        *holder == own || WAITING.with_borrow(|waiting| waiting.contains(holder))
    })
}

fn held() -> MutexGuard<'static, Vec<(PathBuf, ThreadId)>> {
    // No panic can leave the list inconsistent.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}
