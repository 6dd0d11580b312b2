//! The retry policy of a run: the number of attempts and their time limits.

use std::collections::HashMap;
use std::time::Duration;

use crate::config::DRefId;
use crate::plan::{AnyDRef, PlanGraph};

/// The options of a run on retries and time limits. They override the limits of the stages.
pub(in crate::realize) struct RetryPolicy {
    pub(in crate::realize) retries: Option<u32>,
    pub(in crate::realize) retries_of: HashMap<DRefId, u32>,
    pub(in crate::realize) timeout: Option<Duration>,
    pub(in crate::realize) timeout_of: HashMap<DRefId, Duration>,
    /// The wait before the second attempt.
    pub(in crate::realize) wait: Duration,
    pub(in crate::realize) grace: Duration,
}

/// The longest wait between two attempts, unless the first wait is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            retries: None,
            retries_of: HashMap::new(),
            timeout: None,
            timeout_of: HashMap::new(),
            wait: Duration::from_secs(1),
            grace: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// Returns the number of retries after the first attempt of a run of the stage.
    pub(in crate::realize) fn retries(&self, dref: &AnyDRef) -> u32 {
        let own = self.retries_of.get(dref.id()).copied();
        own.or(self.retries).unwrap_or(dref.node().limits().retries)
    }

    /// Returns the time limit of each attempt; `None` if there is none.
    pub(in crate::realize) fn timeout(&self, dref: &AnyDRef) -> Option<Duration> {
        let own = self.timeout_of.get(dref.id()).copied();
        let limit = own.or(self.timeout).or(dref.node().limits().timeout);
        limit.filter(|limit| *limit < Duration::MAX)
    }

    /// Returns whether any stage of the plan has a time limit.
    pub(in crate::realize) fn any_timeout(&self, graph: &PlanGraph) -> bool {
        match self.timeout_of.is_empty() {
            true => graph.any_recipe(|stage| self.timeout(stage).is_some()),
            false => graph.drefs().any(|stage| self.timeout(stage).is_some()),
        }
    }

    /// Returns the wait after this number of attempts.
    pub(in crate::realize) fn wait(&self, after: u32) -> Duration {
        let doubled = 2_u32
            .checked_pow(after.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.wait
            .saturating_mul(doubled)
            .min(LONGEST_WAIT.max(self.wait))
    }

    /// Returns the stages that the options name.
    pub(in crate::realize) fn named(&self) -> impl Iterator<Item = &DRefId> {
        self.retries_of.keys().chain(self.timeout_of.keys())
    }
}
