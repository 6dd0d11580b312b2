//! A thread pool for fsync, shared by all stores of a process.
//!
//! The threads block on the disk, so there may be more of them than cores. Starting a thread costs as much as a whole small
//! stage, so idle threads stay for a while.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::store::disk::durable::Durability;
use crate::{Error, Result};

/// Maximum number of threads: the more fsyncs wait together, the more one journal commit covers.
pub(in crate::store) const SYNC_THREADS: usize = 16;
/// An idle thread exits after this time.
const IDLE_LIMIT: Duration = Duration::from_secs(1);

/// A path to sync: an open file, or a folder if `None`.
pub(in crate::store) type ToSync = (PathBuf, Option<File>);

/// Files and folders to sync together.
struct Batch {
    all: Vec<ToSync>,
    begun: AtomicUsize,
    ended: AtomicUsize,
    has_failed: AtomicBool,
    /// The first error. A waiter checks `ended` while it holds this lock, so that it cannot miss the notification.
    failure: Mutex<Option<Error>>,
    end: Condvar,
}

/// The pool's state and its queue.
struct PoolState {
    threads: usize,
    idle: usize,
    calls: VecDeque<Arc<Batch>>,
}

static POOL: Mutex<PoolState> = Mutex::new(PoolState {
    threads: 0,
    idle: 0,
    calls: VecDeque::new(),
});
static CALLED: Condvar = Condvar::new();

/// Syncs all entries in parallel, with the help of the calling thread. Returns the first error after all work has ended.
pub(in crate::store) fn sync_together(all: Vec<ToSync>) -> Result<()> {
    match all.as_slice() {
        [] => return Ok(()),
        [(path, file)] => return sync(path, file.as_ref()),
        _ => {}
    }
    let batch = Arc::new(Batch {
        all,
        begun: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
        has_failed: AtomicBool::new(false),
        failure: Mutex::default(),
        end: Condvar::new(),
    });
    call(&batch);
    batch.work();
    let mut failure = guard(&batch.failure);
    while !batch.is_ended() {
        failure = (batch.end.wait(failure)).unwrap_or_else(PoisonError::into_inner);
    }
    let failure = failure.take();
    // Remove queued calls that no thread has taken up.
    guard(&POOL).calls.retain(|call| !Arc::ptr_eq(call, &batch));
    failure.map_or(Ok(()), Err)
}

fn sync(path: &Path, file: Option<&File>) -> Result<()> {
    match file {
        Some(file) => Durability::Full.sync(file, path),
        None => Durability::Full.sync_folder(path),
    }
}

impl Batch {
    /// Syncs entries until none is left. After an error the rest are skipped.
    fn work(&self) {
        while let Some((path, file)) = self.all.get(self.begun.fetch_add(1, Ordering::Relaxed)) {
            if !self.has_failed.load(Ordering::Relaxed)
                && let Err(error) = sync(path, file.as_ref())
            {
                self.has_failed.store(true, Ordering::Relaxed);
                guard(&self.failure).get_or_insert(error);
            }
            self.ended.fetch_add(1, Ordering::AcqRel);
            if self.is_ended() {
                // Taking the lock ensures that a waiter which saw the old count is waiting by now, and is woken.
                drop(guard(&self.failure));
                self.end.notify_all();
            }
        }
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) == self.all.len()
    }
}

/// Queues calls for other threads, as many as can help, and starts missing threads.
fn call(batch: &Arc<Batch>) {
    let calls = batch.all.len().min(SYNC_THREADS) - 1;
    let mut pool = guard(&POOL);
    for _ in 0..calls {
        pool.calls.push_back(batch.clone());
    }
    while pool.idle < pool.calls.len() && pool.threads < SYNC_THREADS {
        let thread = thread::Builder::new().name("sync".to_owned());
        // Failing to start a thread is not an error: the running threads do the work.
        if thread.spawn(answer_calls).is_err() {
            break;
        }
        pool.threads += 1;
        pool.idle += 1;
    }
    drop(pool);
    for _ in 0..calls {
        CALLED.notify_one();
    }
}

/// The main loop of a pool thread. The starter has already counted the thread as idle.
fn answer_calls() {
    let mut pool = guard(&POOL);
    loop {
        if let Some(batch) = pool.calls.pop_front() {
            pool.idle -= 1;
            drop(pool);
            batch.work();
            // The last owner of the batch closes its files.
            drop(batch);
            pool = guard(&POOL);
            pool.idle += 1;
            continue;
        }
        let (woken, timeout) =
            (CALLED.wait_timeout(pool, IDLE_LIMIT)).unwrap_or_else(PoisonError::into_inner);
        pool = woken;
        if timeout.timed_out() && pool.calls.is_empty() {
            pool.idle -= 1;
            pool.threads -= 1;
            return;
        }
    }
}

/// Locks a mutex and ignores poisoning: no panic can leave the protected state inconsistent.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
