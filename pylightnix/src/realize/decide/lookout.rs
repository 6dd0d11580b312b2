//! Looks out, in one run, for builds that ended ahead of this machine's clock.

use std::sync::{Once, OnceLock};

use jiff::Timestamp;

use crate::config::RRefId;
use crate::store::{BuildHead, Clock};

/// What is told once in a run, and not for each stage.
pub(in crate::realize) struct Lookout {
    clock: Clock,
    found: OnceLock<(RRefId, Timestamp)>,
    told: Once,
}

impl Lookout {
    pub(in crate::realize) fn begin() -> Self {
        Lookout {
            clock: Clock::now(),
            found: OnceLock::new(),
            told: Once::new(),
        }
    }

    /// When a build ended, if that lies ahead.
    pub(in crate::realize) fn ahead(&self, build: &BuildHead<'_>) -> Option<Timestamp> {
        match build.ended(self.clock) {
            Some(_) => None,
            None => Some(build.stop),
        }
    }

    pub(in crate::realize) fn found(&self, rref: RRefId, ended: Timestamp) {
        let _ = self.found.set((rref, ended));
    }

    /// Looks at the builds of a realization.
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

    /// Tells of the first that was found, if it was not told yet.
    pub(in crate::realize) fn tell(&self, tell: impl FnOnce(&RRefId, Timestamp)) {
        if let Some((rref, ended)) = self.found.get() {
            // An observer may panic here, and others are told all the same.
            self.told.call_once_force(|_| tell(rref, *ended));
        }
    }
}
