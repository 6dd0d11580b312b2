//! How fast a server is.

use std::time::{Duration, Instant};

/// Nobody is judged by less time.
const LEAST: Duration = Duration::from_secs(5);

/// Measures over stretches of time.
pub(super) struct Pace {
    /// Bytes a second.
    wanted: u64,
    stretch: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(wanted: u64, patience: Duration) -> Self {
        Pace {
            wanted,
            stretch: patience.max(LEAST),
            since: Instant::now(),
            bytes: 0,
        }
    }

    /// Counts bytes that came; at the end of a stretch that brought too few, says how many in which time.
    pub(super) fn is_too_slow(&mut self, came: usize) -> Option<(u64, Duration)> {
        self.bytes += came as u64;
        let took = self.since.elapsed();
        if took < self.stretch {
            return None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.since = Instant::now();
        (!is_enough(bytes, took, self.wanted)).then_some((bytes, took))
    }
}

/// Whether so many bytes in that time are what is wanted a second. Less than a second counts as one.
pub(super) fn is_enough(bytes: u64, took: Duration, wanted: u64) -> bool {
    bytes as f64 >= wanted as f64 * took.as_secs_f64().max(1.0)
}
