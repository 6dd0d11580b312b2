//! What running stages report to observers from threads of their own.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use crate::config::DRefId;

/// The minimal time between two progress reports.
const PAUSE: Duration = Duration::from_millis(100);

/// What one run of a stage reports.
pub(crate) enum StageReport {
    /// How far it is.
    Progress {
        dref: DRefId,
        index: usize,
        done: u64,
        total: Option<u64>,
    },
    /// A number of the series that it began first.
    Recorded {
        dref: DRefId,
        index: usize,
        name: String,
        step: u64,
        value: f64,
    },
    /// After it had ended, a realization of `of` was looked at through a handle that it was given.
    LookedLate {
        dref: DRefId,
        index: usize,
        of: DRefId,
    },
}

/// Sends the progress reports of one run of a stage to the observers, if there are any.
pub(crate) struct ProgressSender {
    to: Option<Arc<SyncSender<StageReport>>>,
    last_sent: Mutex<Option<Instant>>,
}

/// Sends the numbers of the series that a run of a stage began first.
#[derive(Default)]
pub(crate) struct Recorder {
    to: Option<ProgressSender>,
    /// The name of the series.
    first: OnceCell<String>,
}

impl Recorder {
    /// Sends a report of a number in this series, as [`ProgressSender::send`] does.
    pub(crate) fn send(&self, name: &str, report: impl FnOnce() -> StageReport) {
        if let Some(to) = &self.to
            && self.first.get_or_init(|| name.to_owned()) == name
        {
            to.send(report, false);
        }
    }
}

impl ProgressSender {
    /// Returns a sender of the same run for the numbers that it records, which does not hold up its other reports.
    pub(crate) fn recorder(&self) -> Recorder {
        let to = self
            .to
            .as_ref()
            .map(|to| ProgressSender::to(Some(to.clone())));
        let first = OnceCell::new();
        Recorder { to, first }
    }

    pub(crate) fn to(to: Option<Arc<SyncSender<StageReport>>>) -> Self {
        let last_sent = Mutex::new(None);
        ProgressSender { to, last_sent }
    }

    /// Sends a report, unless the last one was sent just now; the final report is always sent. Drops the report if the
    /// channel is full: a stage never waits for observers.
    pub(crate) fn send(&self, report: impl FnOnce() -> StageReport, is_end: bool) {
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
