//! Measures the speed of a download.

use std::time::{Duration, Instant};

/// The shortest interval of a measurement.
const LEAST: Duration = Duration::from_secs(5);

/// Measures the speed in successive intervals.
pub(super) struct Pace {
    /// The minimal speed, in bytes per second.
    wanted: u64,
    interval: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(wanted: u64, patience: Duration) -> Self {
        Pace {
            wanted,
            interval: patience.max(LEAST),
            since: Instant::now(),
            bytes: 0,
        }
    }

    /// Counts received bytes. At the end of an interval with too few bytes, returns their number and the time.
    pub(super) fn is_too_slow(&mut self, came: usize) -> Option<(u64, Duration)> {
        self.bytes += came as u64;
        let took = self.since.elapsed();
        if took < self.interval {
            return None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.since = Instant::now();
        (!is_enough(bytes, took, self.wanted)).then_some((bytes, took))
    }
}

/// Returns whether the average speed reaches `wanted` bytes per second. A time of less than a second counts as one second.
pub(super) fn is_enough(bytes: u64, took: Duration, wanted: u64) -> bool {
    bytes as f64 >= wanted as f64 * took.as_secs_f64().max(1.0)
}
