//! The totals of a run in progress, counted by several threads.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::realize::report::totals::Report;

/// Atomic counters for the totals of a [`Report`].
#[derive(Default)]
pub(in crate::realize) struct Counters {
    pub(in crate::realize) reused: AtomicUsize,
    pub(in crate::realize) carried: AtomicUsize,
    pub(in crate::realize) fetched: AtomicUsize,
    pub(in crate::realize) built: AtomicUsize,
    pub(in crate::realize) runs: AtomicUsize,
    pub(in crate::realize) failures: AtomicUsize,
    pub(in crate::realize) repeated: AtomicUsize,
}

impl Counters {
    pub(in crate::realize) fn report(&self, stages: usize) -> Report {
        Report {
            stages,
            reused: self.reused.load(Relaxed),
            carried: self.carried.load(Relaxed),
            fetched: self.fetched.load(Relaxed),
            built: self.built.load(Relaxed),
            runs: self.runs.load(Relaxed),
            failures: self.failures.load(Relaxed),
            repeated: self.repeated.load(Relaxed),
        }
    }
}

/// Increments a counter.
pub(in crate::realize) fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Relaxed);
}
