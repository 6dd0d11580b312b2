//! Progress reports of running stages.

use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::DRefId;

/// The minimal time between two reports.
const PAUSE: Duration = Duration::from_millis(100);

/// A progress report of one run of a stage.
pub(crate) struct ProgressReport {
    pub(crate) dref: DRefId,
    pub(crate) index: usize,
    pub(crate) done: u64,
    pub(crate) total: Option<u64>,
}

/// Sends the progress reports of one run of a stage to the observers, if there are any.
pub(crate) struct ProgressSender {
    to: Option<SyncSender<ProgressReport>>,
    last_sent: Mutex<Option<Instant>>,
}

impl ProgressSender {
    pub(crate) fn to(to: Option<SyncSender<ProgressReport>>) -> Self {
        let last_sent = Mutex::new(None);
        ProgressSender { to, last_sent }
    }

    /// Sends a report, unless the last one was sent just now; the final report is always sent. Drops the report if the
    /// channel is full: a stage never waits for observers.
    pub(crate) fn send(&self, report: impl FnOnce() -> ProgressReport, is_end: bool) {
        let Some(to) = &self.to else { return };
        let now = Instant::now();
        let mut last = self
            .last_sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if is_end || last.is_none_or(|last| now - last >= PAUSE) {
            *last = Some(now);
            let _ = to.try_send(report());
        }
    }
}
