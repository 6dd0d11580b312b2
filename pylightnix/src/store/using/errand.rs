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
pub(crate) struct Errand(Arc<[ThreadId]>);

impl Errand {
    /// Returns the waiters for work that this thread is about to hand out.
    pub(crate) fn here() -> Self {
        let before = WAITING.with_borrow(Arc::clone);
        let own = thread::current().id();
        match before.contains(&own) {
            true => Errand(before),
            false => Errand(before.iter().copied().chain([own]).collect()),
        }
    }

    /// Runs `work`, on any thread, on behalf of these waiters.
    pub(crate) fn inside<R>(&self, work: impl FnOnce() -> R) -> R {
        let _back = Back(WAITING.replace(self.0.clone()));
        work()
    }
}

/// A guard that restores the previous waiters of this thread.
struct Back(Arc<[ThreadId]>);

impl Drop for Back {
    fn drop(&mut self) {
        WAITING.set(self.0.clone());
    }
}

/// A guard that registers a build lock as held by this thread. It has to be dropped before the lock is released; the next
/// holder may be registered before this entry is gone.
#[derive(Debug)]
pub(in crate::store) struct InHand {
    lock: PathBuf,
    holder: ThreadId,
}

impl InHand {
    /// Registers the lock as held by the current thread.
    pub(in crate::store) fn new(lock: &Path) -> Self {
        let (lock, holder) = (lock.to_owned(), thread::current().id());
        held().push((lock.clone(), holder));
        InHand { lock, holder }
    }
}

impl Drop for InHand {
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
pub(in crate::store) fn is_in_own_hands(lock: &Path) -> bool {
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
