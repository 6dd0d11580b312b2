//! Alternating measurements of ours and theirs in one run.

use std::time::Duration;

use pylightnix::prelude::Result;

use crate::measure::median;
use crate::options::Options;

/// The default number of rounds.
const ROUNDS: usize = 9;

/// A contender: its name, and a function that returns one time. The function receives the number of the round; round 0 is a
/// warm-up that does not count.
pub(crate) type Contender<'a> = (&'a str, &'a mut dyn FnMut(usize) -> Result<Duration>);

/// Measures all contenders alternately, with another one first in each round, and returns the medians in seconds. Records
/// every single time.
pub(crate) fn contest(
    options: &Options,
    benchmark: &str,
    what: &str,
    contenders: &mut [Contender<'_>],
) -> Result<Vec<f64>> {
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..=options.rounds(ROUNDS) {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let time = contenders[at].1(round)?;
            if round > 0 {
                times[at].push(time);
            }
        }
    }
    for ((who, _), times) in contenders.iter().zip(&times) {
        options.record(benchmark, what, who, times)?;
    }
    Ok(times
        .into_iter()
        .map(|times| median(times).as_secs_f64())
        .collect())
}
