//! What a run shows while it goes.

use super::session::Session;
use crate::realize::Event;
use crate::{Error, realize::Report};

/// Shows a run.
pub(crate) struct Progress {
    quiet: bool,
}

impl Progress {
    /// For a run that is about to begin; a quiet one shows nothing but failures.
    pub(crate) fn new(_session: &Session, quiet: bool) -> Self {
        Progress { quiet }
    }

    /// What the run tells.
    pub(crate) fn observer(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        |_event| ()
    }

    /// The run succeeded.
    pub(crate) fn done(self, session: &Session, report: &Report) {
        if !self.quiet {
            session.say(report);
        }
    }

    /// The run failed.
    pub(crate) fn failed(self, _session: &Session, _error: &Error) {}
}
