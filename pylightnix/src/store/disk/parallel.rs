//! A parallel map over a slice.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use crate::Result;

/// Returns the number of available cores, cached: determining it takes some twenty system calls.
pub(crate) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get))
}

/// Applies `work` to each item on up to `threads` threads, including this one, and returns the results in order. After an error
/// no new item is started, and the first error is returned.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(usize, &T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = threads.min(items.len());
    if threads <= 1 {
        let items = items.iter().enumerate();
        return items.map(|(at, item)| work(at, item)).collect();
    }
    let mut done: Vec<Option<Result<R>>> = Vec::with_capacity(items.len());
    done.resize_with(items.len(), || None);
    let left = Mutex::new(items.iter().zip(&mut done).enumerate());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let failed = AtomicBool::new(false);
    let worker = || {
        while !failed.load(Ordering::Relaxed)
            && let Some((at, (item, done))) = next()
        {
            let result = work(at, item);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            *done = Some(result);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Failing to start a thread is not an error: the running threads do the work.
            if thread::Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
    done.into_iter().flatten().collect()
}
