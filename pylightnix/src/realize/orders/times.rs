//! How long builds are expected to take: the usual time of the derivation, else that of the stages of its name.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::config::{DRefId, Name};
use crate::store::Store;

/// The number of builds of a name that count.
const LAST: usize = 20;

/// What is known of the times of stages.
#[derive(Default)]
pub(in crate::realize) struct UsualTimes {
    names: HashMap<Name, VecDeque<Duration>>,
}

impl UsualTimes {
    /// Returns how long one run of a derivation is expected to take; `None` if no stage of its name was built.
    pub(in crate::realize) fn expected(
        &mut self,
        store: &Store,
        dref: &DRefId,
        of_derivation: Option<Duration>,
    ) -> Option<Duration> {
        if of_derivation.is_some() {
            return of_derivation;
        }
        let times = self
            .names
            .entry(dref.name().clone())
            .or_insert_with(|| store.times_of_name(dref.name(), LAST).into());
        median(times)
    }

    /// Notes how long a run took.
    pub(in crate::realize) fn note(&mut self, dref: &DRefId, time: Duration) {
        let times = self.names.entry(dref.name().clone()).or_default();
        times.push_back(time);
        if times.len() > LAST {
            times.pop_front();
        }
    }
}

fn median(times: &VecDeque<Duration>) -> Option<Duration> {
    let mut sorted: Vec<_> = times.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}
