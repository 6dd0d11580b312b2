//! The watchdog of a run: tells runs of stages to stop when their time is up or the run is cancelled, and kills the child
//! processes of those that do not stop.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::DRefId;
use crate::lens::{Stop, StopReason};

/// Watches the runs of stages.
#[derive(Default)]
pub(in crate::realize) struct Watchdog {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    /// Whether the run is over.
    ended: bool,
    watched: Vec<WatchedAttempt>,
    numbers: u64,
}

/// An attempt of a run of a stage.
struct WatchedAttempt {
    number: u64,
    dref: DRefId,
    index: usize,
    stop: Arc<Stop>,
    begin: Instant,
    limit: Option<Duration>,
    /// When it was told to stop.
    told: Option<Instant>,
    /// Whether it was told to stop and did not stop in time.
    overdue: bool,
}

/// The handle of a watched attempt.
pub(in crate::realize) struct WatchHandle {
    number: u64,
    pub(in crate::realize) stop: Arc<Stop>,
}

/// How an attempt ended.
pub(in crate::realize) struct AttemptEnd {
    /// The reason why it had to stop, if it had to.
    pub(in crate::realize) why: Option<StopReason>,
    /// Its duration.
    pub(in crate::realize) took: Duration,
    /// Whether it was told to stop and did not stop in time.
    pub(in crate::realize) overdue: bool,
}

/// A run of a stage that was told to stop and did not stop in time.
pub(in crate::realize) struct Overdue {
    pub(in crate::realize) dref: DRefId,
    pub(in crate::realize) index: usize,
    pub(in crate::realize) why: StopReason,
}

impl Watchdog {
    /// Tells all runs to stop, and lets no further run begin.
    pub(in crate::realize) fn cancel(&self) {
        self.state().cancelled = true;
        self.wake.notify_all();
    }

    pub(in crate::realize) fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    /// Begins to watch an attempt; returns `None` if the run is cancelled.
    pub(in crate::realize) fn begin(
        &self,
        dref: &DRefId,
        index: usize,
        limit: Option<Duration>,
    ) -> Option<WatchHandle> {
        let mut state = self.state();
        if state.cancelled {
            return None;
        }
        let handle = WatchHandle {
            number: state.numbers,
            stop: Arc::default(),
        };
        state.numbers += 1;
        state.watched.push(WatchedAttempt {
            number: handle.number,
            dref: dref.clone(),
            index,
            stop: handle.stop.clone(),
            begin: Instant::now(),
            limit,
            told: None,
            overdue: false,
        });
        drop(state);
        // There is a new deadline. Notifying costs a system call.
        if limit.is_some() {
            self.wake.notify_all();
        }
        Some(handle)
    }

    /// Stops watching an attempt.
    pub(in crate::realize) fn end(&self, handle: &WatchHandle) -> AttemptEnd {
        let mut state = self.state();
        let at = state
            .watched
            .iter()
            .position(|watched| watched.number == handle.number);
        let Some(watched) = at.map(|at| state.watched.swap_remove(at)) else {
            unreachable!("a try begins once and ends once");
        };
        let took = watched.begin.elapsed();
        // It may have ended just before the watchdog would have told it to stop.
        let late = watched.limit.filter(|limit| took >= *limit);
        AttemptEnd {
            why: handle.stop.reason().or(late.map(StopReason::TimeUp)),
            took,
            overdue: watched.overdue,
        }
    }

    /// Sleeps for this time. Returns `true` at once if the run is cancelled.
    pub(in crate::realize) fn sleep(&self, time: Duration) -> bool {
        let state = self.state();
        let waited = self
            .wake
            .wait_timeout_while(state, time, |state| !state.cancelled);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.cancelled
    }

    /// Makes [`keep`](Self::keep) return.
    pub(in crate::realize) fn close(&self) {
        self.state().ended = true;
        self.wake.notify_all();
    }

    /// Watches until [`close`](Self::close) is called. After a run is told to stop, it has the time `grace`; then its child
    /// processes are killed, and `overdue` is called. `cancelled` is called once when the run is cancelled, with the number
    /// of runs in progress.
    pub(in crate::realize) fn keep(
        &self,
        grace: Duration,
        cancelled: impl Fn(usize),
        overdue: impl Fn(&Overdue),
    ) {
        let mut known = false;
        let mut state = self.state();
        while !state.ended {
            if state.cancelled && !known {
                known = true;
                let running = state.watched.len();
                drop(state);
                cancelled(running);
                state = self.state();
                // It may have ended in the meantime.
                continue;
            }
            let late = state.check(grace);
            if !late.is_empty() {
                drop(state);
                late.iter().for_each(&overdue);
                state = self.state();
                continue;
            }
            state = match state.next_look(grace) {
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(time) => {
                    let waited = self.wake.wait_timeout(state, time);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under this lock cannot leave the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells the runs whose time is up to stop. Returns those that did not stop in time.
    fn check(&mut self, grace: Duration) -> Vec<Overdue> {
        let mut late = Vec::new();
        for watched in &mut self.watched {
            match watched.told {
                None => {
                    let why = match watched.limit {
                        _ if self.cancelled => StopReason::Cancelled,
                        Some(limit) if watched.begin.elapsed() >= limit => {
                            StopReason::TimeUp(limit)
                        }
                        _ => continue,
                    };
                    watched.told = Some(Instant::now());
                    watched.stop.stop(why);
                }
                Some(told) if !watched.overdue && told.elapsed() >= grace => {
                    watched.overdue = true;
                    watched.stop.kill();
                    late.extend(watched.stop.reason().map(|why| Overdue {
                        dref: watched.dref.clone(),
                        index: watched.index,
                        why,
                    }));
                }
                Some(_) => {}
            }
        }
        late
    }

    /// Returns the time until the next deadline; `None` if there is none.
    fn next_look(&self, grace: Duration) -> Option<Duration> {
        let next = |watched: &WatchedAttempt| match watched.told {
            _ if watched.overdue => None,
            None => Some(watched.limit?.saturating_sub(watched.begin.elapsed())),
            Some(told) => Some(grace.saturating_sub(told.elapsed())),
        };
        self.watched.iter().filter_map(next).min()
    }
}
