//! Comparing the times of build records with this machine's clock.
//!
//! A record that ends more than an hour in the future was written by a wrong clock, or read by one. It counts as a record
//! without a time; otherwise it would be the newest forever.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::config::RRefId;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::builds::BuildHead;

/// Allowed difference between the clocks of two machines.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// The latest plausible time. Fixed once, so that all comparisons of one sort agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Timestamp);

impl Clock {
    /// Returns a clock whose limit is one hour from now.
    pub(crate) fn now() -> Self {
        let now = Timestamp::now();
        Clock(now.checked_add(AHEAD).unwrap_or(now))
    }

    /// Returns `time`, or `None` if it is implausibly late.
    pub(crate) fn known(self, time: Timestamp) -> Option<Timestamp> {
        (time <= self.0).then_some(time)
    }

    /// Returns a sort key for a build of which only the identifier is known; the UUIDv7 contains the start time.
    pub(crate) fn order(self, id: Uuid) -> (bool, Uuid) {
        let time = id.get_timestamp().map(|time| time.to_unix());
        let time =
            time.and_then(|(second, _)| Timestamp::from_second(second.try_into().ok()?).ok());
        (time.is_none_or(|time| self.known(time).is_some()), id)
    }
}

impl BuildRecord {
    /// Returns the end of the build, or `None` if it is more than an hour ahead of this machine's clock: one of the clocks was
    /// wrong, and the record counts as one without a time.
    pub fn ended(&self) -> Option<Timestamp> {
        Clock::now().known(self.stop)
    }
}

impl BuildHead<'_> {
    /// Returns the end of the build, or `None` if it is implausibly late.
    pub(crate) fn ended(&self, clock: Clock) -> Option<Timestamp> {
        clock.known(self.stop)
    }
}

/// Iterates over builds, newest first; builds without a plausible time come last.
pub(crate) fn newest_first(builds: &[BuildRecord]) -> impl Iterator<Item = &BuildRecord> {
    let clock = Clock::now();
    let is_known = move |build: &&BuildRecord| clock.known(build.stop).is_some();
    let known = builds.iter().rev().filter(is_known);
    known.chain(builds.iter().rev().filter(move |build| !is_known(build)))
}

/// Returns the warning about a build record that ends in the future.
pub fn ahead(rref: &RRefId, ended: Timestamp) -> String {
    format!(
        "{rref} has a build record that ends at {ended}, ahead of this machine's clock: it counts as one without a time, and comes \
         last; {RID}"
    )
}

/// The advice that ends the warning.
const RID: &str =
    "if the clock here is right, remove that realization (`rm`) and have it built again";
