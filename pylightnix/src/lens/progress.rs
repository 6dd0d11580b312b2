//! How far a running stage is.

use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::DRefId;

/// The shortest time between two messages.
const PAUSE: Duration = Duration::from_millis(100);

/// What a stage says on the way to the observers.
pub(crate) struct Step {
    pub(crate) dref: DRefId,
    pub(crate) index: usize,
    pub(crate) done: u64,
    pub(crate) total: Option<u64>,
}

/// Where one run of a stage says how far it is; nowhere if nobody observes.
pub(crate) struct Progress {
    to: Option<SyncSender<Step>>,
    said: Mutex<Option<Instant>>,
}

impl Progress {
    pub(crate) fn to(to: Option<SyncSender<Step>>) -> Self {
        let said = Mutex::new(None);
        Progress { to, said }
    }

    /// Says it, unless something was said just now and this is not the end. What finds no room is dropped: a stage does
    /// not wait for those who watch it.
    pub(crate) fn say(&self, step: impl FnOnce() -> Step, is_end: bool) {
        let Some(to) = &self.to else { return };
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if is_end || said.is_none_or(|said| now - said >= PAUSE) {
            *said = Some(now);
            let _ = to.try_send(step());
        }
    }
}
