//! What a task watches while it makes its builds: time limits, and whether somebody cancels the current build.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::order::cancelled_builds;
use crate::realize::stop::watchdog::Watchdog;

/// How often the task looks whether a build was cancelled.
const LOOK: Duration = Duration::from_secs(1);

/// The builds of an order, one after the other.
pub(in crate::realize) struct BuildWatch {
    order: PathBuf,
    grace: Duration,
    /// The place of the current build in the order, with its watchdog.
    current: Mutex<Option<(usize, Arc<Watchdog>)>>,
}

/// Ends a watchdog, also if what it watches panics.
struct Closing<'a>(&'a Watchdog);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl BuildWatch {
    pub(in crate::realize) fn new(order: PathBuf, grace: Duration) -> Self {
        BuildWatch {
            order,
            grace,
            current: Mutex::default(),
        }
    }

    /// Stops the current build when it is cancelled, until nobody holds the other side of `end`.
    pub(in crate::realize) fn keep(&self, end: &Receiver<()>) {
        while end.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let current = self.current().clone();
            if let Some((number, watchdog)) = current
                && self.is_cancelled(number)
            {
                watchdog.cancel();
            }
        }
    }

    /// Whether a build was cancelled.
    pub(in crate::realize) fn is_cancelled(&self, number: usize) -> bool {
        cancelled_builds(&self.order).contains(&number)
    }

    /// Makes a build with a watchdog of its own.
    pub(in crate::realize) fn during<T>(
        &self,
        number: usize,
        build: impl FnOnce(&Arc<Watchdog>) -> T,
    ) -> T {
        let watchdog = Arc::<Watchdog>::default();
        *self.current() = Some((number, watchdog.clone()));
        let made = thread::scope(|scope| {
            let watch = || watchdog.keep(self.grace, |_| {}, |_| {});
            // Without it, time limits do not hold: then the executor's own limit does.
            let _ = thread::Builder::new().spawn_scoped(scope, watch);
            let _closing = Closing(&watchdog);
            build(&watchdog)
        });
        *self.current() = None;
        made
    }

    fn current(&self) -> MutexGuard<'_, Option<(usize, Arc<Watchdog>)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
