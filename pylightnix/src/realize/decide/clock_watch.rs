//! Detects build records that end ahead of this machine's clock.

use std::sync::{Once, OnceLock};

use jiff::Timestamp;

use crate::config::RRefId;
use crate::store::{BuildHead, Clock};

/// Remembers the first build record ahead of the clock, so that a run reports it once rather than for each stage.
pub(in crate::realize) struct ClockWatch {
    clock: Clock,
    found: OnceLock<(RRefId, Timestamp)>,
    told: Once,
}

impl ClockWatch {
    /// Creates a watch with the current time.
    pub(in crate::realize) fn begin() -> Self {
        ClockWatch {
            clock: Clock::now(),
            found: OnceLock::new(),
            told: Once::new(),
        }
    }

    /// Returns the end of a build if it is ahead of the clock.
    pub(in crate::realize) fn ahead(&self, build: &BuildHead<'_>) -> Option<Timestamp> {
        match build.ended(self.clock) {
            Some(_) => None,
            None => Some(build.stop),
        }
    }

    /// Remembers a build of a realization that ends ahead of the clock.
    pub(in crate::realize) fn found(&self, rref: RRefId, ended: Timestamp) {
        let _ = self.found.set((rref, ended));
    }

    /// Remembers the first build of a realization that ends ahead of the clock, unless one is remembered already.
    pub(in crate::realize) fn check<'a>(
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

    /// Calls `notify` with the remembered build, at most once.
    pub(in crate::realize) fn notify(&self, notify: impl FnOnce(&RRefId, Timestamp)) {
        if let Some((rref, ended)) = self.found.get() {
            // `call_once_force`, because an observer may panic in here, and the other observers must still be told.
            self.told.call_once_force(|_| notify(rref, *ended));
        }
    }
}
