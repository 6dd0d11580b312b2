//! Threads that wait for the disk, shared by all stores of a process.
//!
//! Each of them sleeps while its file is written, so that they are more than the machine has processors; starting one costs
//! as much as a small stage does otherwise, so that they stay for a while.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::store::disk::durable::Durability;
use crate::{Error, Result};

/// So many at most, for all that is to be synced: the disk's journal commits the more at once the more wait together.
pub(in crate::store) const SYNC_THREADS: usize = 16;
/// A thread that has nothing to do for so long ends.
const PATIENCE: Duration = Duration::from_secs(1);

/// A file that is open, or a folder.
pub(in crate::store) type ToSync = (PathBuf, Option<File>);

/// What is to be synced together.
struct Batch {
    all: Vec<ToSync>,
    begun: AtomicUsize,
    ended: AtomicUsize,
    has_failed: AtomicBool,
    /// The first failure. Whoever waits for the end looks at `ended` with this lock.
    failure: Mutex<Option<Error>>,
    end: Condvar,
}

/// The threads, and what they are called to.
struct Crew {
    threads: usize,
    idle: usize,
    calls: VecDeque<Arc<Batch>>,
}

static CREW: Mutex<Crew> = Mutex::new(Crew {
    threads: 0,
    idle: 0,
    calls: VecDeque::new(),
});
static CALLED: Condvar = Condvar::new();

/// Syncs all of these side by side, this thread helping; gives the first failure when nothing is under way any more.
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
    // Those that were called and did not come have nothing to come for.
    guard(&CREW).calls.retain(|call| !Arc::ptr_eq(call, &batch));
    failure.map_or(Ok(()), Err)
}

fn sync(path: &Path, file: Option<&File>) -> Result<()> {
    match file {
        Some(file) => Durability::Full.sync(file, path),
        None => Durability::Full.sync_folder(path),
    }
}

impl Batch {
    /// Syncs what nobody has begun with. After a failure nothing more is begun.
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
                // Whoever looked before this was the last waits by now.
                drop(guard(&self.failure));
                self.end.notify_all();
            }
        }
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) == self.all.len()
    }
}

/// Calls as many threads as there is work for beside the caller, and starts those that are missing.
fn call(batch: &Arc<Batch>) {
    let calls = batch.all.len().min(SYNC_THREADS) - 1;
    let mut crew = guard(&CREW);
    for _ in 0..calls {
        crew.calls.push_back(batch.clone());
    }
    while crew.idle < crew.calls.len() && crew.threads < SYNC_THREADS {
        let thread = thread::Builder::new().name("sync".to_owned());
        // A system out of threads is no reason to fail: those that there are do the work.
        if thread.spawn(answer_calls).is_err() {
            break;
        }
        crew.threads += 1;
        crew.idle += 1;
    }
    drop(crew);
    for _ in 0..calls {
        CALLED.notify_one();
    }
}

/// What a thread does, from its start to its end. It counts as idle already.
fn answer_calls() {
    let mut crew = guard(&CREW);
    loop {
        if let Some(batch) = crew.calls.pop_front() {
            crew.idle -= 1;
            drop(crew);
            batch.work();
            // Its files are closed by whoever is the last.
            drop(batch);
            crew = guard(&CREW);
            crew.idle += 1;
            continue;
        }
        let (woken, timeout) =
            (CALLED.wait_timeout(crew, PATIENCE)).unwrap_or_else(PoisonError::into_inner);
        crew = woken;
        if timeout.timed_out() && crew.calls.is_empty() {
            crew.idle -= 1;
            crew.threads -= 1;
            return;
        }
    }
}

/// Nothing is left half-done under these locks.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
