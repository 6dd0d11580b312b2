//! What build records say of time, held against this machine's clock.
//!
//! A record that lies more than an hour ahead of it was written by a clock that was wrong, there or here. It counts as one
//! without a time: it would be the newest for ever.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::config::RRefId;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::builds::BuildHead;

/// Clocks of machines differ, but not by more than this.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// The latest time that counts: one for all that is compared, as an order needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Timestamp);

impl Clock {
    /// The latest time that counts now.
    pub(crate) fn now() -> Self {
        let now = Timestamp::now();
        Clock(now.checked_add(AHEAD).unwrap_or(now))
    }

    /// The time, if it counts.
    pub(crate) fn known(self, time: Timestamp) -> Option<Timestamp> {
        (time <= self.0).then_some(time)
    }

    /// By what builds are ordered of which only the identifier is known; it has the time at which they began.
    pub(crate) fn order(self, id: Uuid) -> (bool, Uuid) {
        let time = id.get_timestamp().map(|time| time.to_unix());
        let time =
            time.and_then(|(second, _)| Timestamp::from_second(second.try_into().ok()?).ok());
        (time.is_none_or(|time| self.known(time).is_some()), id)
    }
}

impl BuildRecord {
    /// When it ended. Nothing if that lies more than an hour ahead of this machine's clock: then a clock was wrong, and the
    /// record counts as one without a time.
    pub fn ended(&self) -> Option<Timestamp> {
        Clock::now().known(self.stop)
    }
}

impl BuildHead<'_> {
    /// When it ended, if that time counts.
    pub(crate) fn ended(&self, clock: Clock) -> Option<Timestamp> {
        clock.known(self.stop)
    }
}

/// Builds, the newest first; those without a time last.
pub(crate) fn newest_first(builds: &[BuildRecord]) -> impl Iterator<Item = &BuildRecord> {
    let clock = Clock::now();
    let is_known = move |build: &&BuildRecord| clock.known(build.stop).is_some();
    let known = builds.iter().rev().filter(is_known);
    known.chain(builds.iter().rev().filter(move |build| !is_known(build)))
}

/// What is said of a build that ended ahead of this machine's clock.
pub fn ahead(rref: &RRefId, ended: Timestamp) -> String {
    format!(
        "{rref} has a build record that ends at {ended}, ahead of this machine's clock: it counts as one without a time, and comes \
         last; {RID}"
    )
}

/// How to be rid of it.
const RID: &str =
    "if the clock here is right, remove that realization (`rm`) and have it built again";
