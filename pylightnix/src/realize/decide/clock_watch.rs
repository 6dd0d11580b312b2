//! A watch for build records that lie ahead of this machine's clock.

use std::sync::{Once, OnceLock};

use jiff::Timestamp;

use crate::config::RRefId;
use crate::store::{BuildHead, Clock};

/// Notes the first build record that lies ahead, so that a run tells of it once and not for each stage.
pub(in crate::realize) struct ClockWatch {
    clock: Clock,
    found: OnceLock<(RRefId, Timestamp)>,
    told: Once,
}

impl ClockWatch {
    /// A watch by the clock of now.
    pub(in crate::realize) fn begin() -> Self {
        ClockWatch {
            clock: Clock::now(),
            found: OnceLock::new(),
            told: Once::new(),
        }
    }

    /// Returns when a build ended, if that lies ahead.
    pub(in crate::realize) fn ahead(&self, build: &BuildHead<'_>) -> Option<Timestamp> {
        match build.ended(self.clock) {
            Some(_) => None,
            None => Some(build.stop),
        }
    }

    /// Notes a build of a realization that lies ahead.
    pub(in crate::realize) fn found(&self, rref: RRefId, ended: Timestamp) {
        let _ = self.found.set((rref, ended));
    }

    /// Notes the first build of a realization that lies ahead, if none is noted yet.
    pub(in crate::realize) fn look<'a>(
        &self,
        rref: &RRefId,
        mut builds: impl Iterator<Item = BuildHead<'a>>,
    ) {
        if self.found.get().is_none()
            && let Some(ended) = builds.find_map(|build| self.ahead(&build))
        {
            self.found(rref.clone(), ended);
        }
    }

    /// Calls `tell` with what is noted, once.
    pub(in crate::realize) fn tell(&self, tell: impl FnOnce(&RRefId, Timestamp)) {
        if let Some((rref, ended)) = self.found.get() {
            // `_force`: an observer may panic in here, and others are told all the same.
            self.told.call_once_force(|_| tell(rref, *ended));
        }
    }
}
