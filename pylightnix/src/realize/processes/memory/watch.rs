//! Watches the memory of workers, where no control group can be made: one thread for all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::process_table::{ProcessRow, family};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);

/// The part of the time that it may look: on a machine with very many processes it looks less often.
const PART: u32 = 20;

/// A worker that is watched, until this is dropped.
pub(super) struct Watched(Arc<Worker>);

struct Worker {
    leader: Pid,
    limit: u64,
    /// What it held when its stage began.
    before: u64,
    /// What it used when it was killed for it, or 0.
    used: AtomicU64,
}

#[derive(Default)]
struct State {
    workers: Vec<Arc<Worker>>,
    /// Whether the thread runs.
    is_watching: bool,
}

static STATE: Mutex<State> = Mutex::new(State {
    workers: Vec::new(),
    is_watching: false,
});
static CHANGED: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    // A panic cannot leave the list inconsistent.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watched {
    /// Begins to watch a worker, with the processes that it starts.
    pub(super) fn begin(leader: Pid, limit: u64) -> Self {
        let before = ProcessRow::read(leader).map_or(0, |row| row.resident);
        let worker = Arc::new(Worker {
            leader,
            limit,
            before,
            used: AtomicU64::new(0),
        });
        let mut state = state();
        state.workers.push(worker.clone());
        if !state.is_watching {
            let thread = thread::Builder::new().name("memory".to_owned());
            // Without it, the limit does not hold.
            state.is_watching = thread.spawn(watch).is_ok();
        }
        Watched(worker)
    }

    /// Returns what it used if it was killed for it.
    pub(super) fn exceeded(&self) -> Option<u64> {
        let used = self.0.used.load(Ordering::Acquire);
        (used > 0).then_some(used)
    }
}

impl Drop for Watched {
    /// From now on, the number of the process may be that of another.
    fn drop(&mut self) {
        let mut state = state();
        state.workers.retain(|worker| !Arc::ptr_eq(worker, &self.0));
        drop(state);
        CHANGED.notify_all();
    }
}

/// Looks at the workers as long as there are any.
fn watch() {
    let mut state = state();
    while !state.workers.is_empty() {
        let begun = Instant::now();
        let all = ProcessRow::all();
        // No worker is taken from the list meanwhile, so the numbers are those of its processes.
        for worker in &state.workers {
            worker.look(&all);
        }
        let wait = LOOK.max(begun.elapsed() * PART);
        // A worker that begins has time until the next look; the last one that ends lets the thread end.
        let is_needed = |state: &mut State| !state.workers.is_empty();
        let waited = CHANGED.wait_timeout_while(state, wait, is_needed);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    state.is_watching = false;
}

impl Worker {
    /// Kills the processes if they use more than their limit.
    fn look(&self, all: &[ProcessRow]) {
        let family = family(all, self.leader);
        let resident: u64 = family.iter().map(|row| row.resident).sum();
        if resident.saturating_sub(self.before) <= self.limit {
            return;
        }
        // When one ends while they are read, the rest of them seem to hold its part, too: so they are read twice.
        let used = self.used_of(&family).min(self.used_now());
        if used > self.limit {
            self.used.store(used, Ordering::Release);
            for row in family {
                let _ = kill_process(row.process, Signal::KILL);
            }
        }
    }

    fn used_now(&self) -> u64 {
        self.used_of(&family(&ProcessRow::all(), self.leader))
    }

    fn used_of(&self, family: &[&ProcessRow]) -> u64 {
        let shares: u64 = family.iter().map(|row| row.share()).sum();
        shares.saturating_sub(self.before)
    }
}
