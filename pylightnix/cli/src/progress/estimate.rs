//! Estimates the remaining time of a run.

use std::time::{Duration, Instant};

use super::state::{Running, Status};
use pylightnix::config::DRefId;

/// An estimate of the remaining time of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeLeft {
    pub(super) time: Duration,
    /// Whether the time is a lower bound, because the durations of some stages are not known.
    pub(super) is_least: bool,
}

/// The least share of progress from which the end of a stage can be estimated.
const SOME: f64 = 0.02;

/// A limit that keeps the arithmetic from overflowing.
const FOR_EVER: Duration = Duration::from_secs(1 << 40);

impl Status {
    /// Estimates the remaining time, if anything is known: from the progress that stages report, from earlier builds
    /// of the same derivations, and from builds of other derivations of the same name in this run. It assumes as many
    /// parallel runs as there were at most so far.
    pub(super) fn time_left(&self, to_build: usize, now: Instant) -> Option<TimeLeft> {
        let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
        let mut to_begin = Duration::ZERO;
        let (mut is_known, mut is_least) = (false, false);
        for running in &self.running {
            match self.time_of_running(running, now) {
                Some(time) => {
                    is_known = true;
                    sum += time;
                    longest = longest.max(time);
                }
                None => is_least = true,
            }
        }
        for (dref, runs) in self.left.iter().filter(|(_, runs)| **runs > 0) {
            match self.usual_time(dref) {
                Some(time) => {
                    is_known = true;
                    let runs = u32::try_from(*runs).unwrap_or(u32::MAX);
                    to_begin = to_begin.saturating_add(time.saturating_mul(runs));
                }
                None => is_least = true,
            }
        }
        // `left` may be incomplete: some stages are decided before they are reported as left.
        let most = to_build.max(1) as f64 / self.left.len().max(1) as f64;
        sum += to_begin.min(FOR_EVER).mul_f64(most.min(1.));
        let side_by_side = u32::try_from(self.peak).unwrap_or(u32::MAX).max(1);
        is_known.then(|| TimeLeft {
            time: longest.max(sum / side_by_side),
            is_least,
        })
    }

    fn time_of_running(&self, running: &Running, now: Instant) -> Option<Duration> {
        let took = now.saturating_duration_since(running.since);
        if let Some((done, Some(total))) = running.progress {
            let part = done as f64 / total.max(1) as f64;
            if part >= SOME {
                let left = took.as_secs_f64() * (1. - part.min(1.)) / part;
                return Duration::try_from_secs_f64(left).ok();
            }
        }
        Some(self.usual_time(&running.dref)?.saturating_sub(took))
    }

    fn usual_time(&self, dref: &DRefId) -> Option<Duration> {
        self.usual.get(dref).copied().or_else(|| {
            let (time, count) = self.of_name.get(dref.name())?;
            Duration::try_from_secs_f64(time / f64::from(*count)).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::state::State;
    use pylightnix::config::ConfigJson;
    use pylightnix::store::Store;

    fn dref(name: &str) -> DRefId {
        let config = format!("{{\n    \"name\": \"{name}\"\n}}");
        ConfigJson::from_json(&config).unwrap().id().clone()
    }

    #[test]
    fn what_is_known_is_summed_and_shared() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(&Store::open(folder.path().join("store")).unwrap());
        let (a, b, c) = (dref("a"), dref("b"), dref("c"));
        let left = |at: Duration| {
            let status = state.status();
            status.time_left(3, status.begun + at)
        };
        state.status().are_left(&[&a, &b, &c]);
        assert_eq!(left(Duration::ZERO), None);

        let minute = Duration::from_secs(60);
        state.status().usual.insert(a.clone(), minute);
        let some = |time, is_least| Some(TimeLeft { time, is_least });
        assert_eq!(left(Duration::ZERO), some(minute, true));
        state
            .status()
            .usual
            .extend([(b.clone(), minute), (c.clone(), minute)]);
        assert_eq!(left(Duration::ZERO), some(3 * minute, false));

        // Two at once, then.
        for dref in [&a, &b] {
            state.status().started(dref, 0);
        }
        let begun = state.status().begun;
        state
            .status()
            .running
            .iter_mut()
            .for_each(|one| one.since = begun);
        assert_eq!(left(minute / 2), some(minute, false));
        // Slower than usual: a quarter is done after as long as all of it takes.
        state.status().progressed(&a, 0, 25, Some(100));
        assert_eq!(left(minute), some(3 * minute, false));
    }
}
