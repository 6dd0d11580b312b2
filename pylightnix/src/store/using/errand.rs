//! Which threads of this process have which builds in their hands, and for whom a thread works: whoever waits for a build
//! that waits for him would wait for ever.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

thread_local! {
    /// Those who wait until the work of this thread is done.
    static WAITING: RefCell<Arc<[ThreadId]>> = RefCell::new(Arc::new([]));
}

/// The locks of builds that threads have, each with the thread that took it.
static HELD: Mutex<Vec<(PathBuf, ThreadId)>> = Mutex::new(Vec::new());

/// A piece of work that this thread gives to others: it waits until that is done, and so do those who wait for this thread.
#[derive(Clone)]
pub(crate) struct Errand(Arc<[ThreadId]>);

impl Errand {
    /// Work of this thread.
    pub(crate) fn here() -> Self {
        let before = WAITING.with_borrow(Arc::clone);
        let own = thread::current().id();
        match before.contains(&own) {
            true => Errand(before),
            false => Errand(before.iter().copied().chain([own]).collect()),
        }
    }

    /// Does `work`, on any thread, for those who wait for it.
    pub(crate) fn inside<R>(&self, work: impl FnOnce() -> R) -> R {
        let _back = Back(WAITING.replace(self.0.clone()));
        work()
    }
}

/// For whom the thread worked before.
struct Back(Arc<[ThreadId]>);

impl Drop for Back {
    fn drop(&mut self) {
        WAITING.set(self.0.clone());
    }
}

/// That a thread has the lock of a build, as long as this is there. It goes before the lock does; the next holder may say that
/// it has the lock before this is gone.
#[derive(Debug)]
pub(in crate::store) struct InHand {
    lock: PathBuf,
    holder: ThreadId,
}

impl InHand {
    /// Of this thread.
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

/// Whether this thread, or one that waits for it, has the lock of a build.
pub(in crate::store) fn is_in_own_hands(lock: &Path) -> bool {
    let held = held();
    let mut holders = held.iter().filter(|(path, _)| path == lock);
    let own = thread::current().id();
    holders.any(|(_, holder)| {
        *holder == own || WAITING.with_borrow(|waiting| waiting.contains(holder))
    })
}

fn held() -> MutexGuard<'static, Vec<(PathBuf, ThreadId)>> {
    // Nothing is left half-done under this lock.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}
