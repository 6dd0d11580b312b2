//! Ours and theirs in one run, by turns.

use std::time::Duration;

use pylightnix::prelude::Result;

use crate::measure::median;
use crate::options::Options;

/// How often each is measured, unless the command line says it.
const ROUNDS: usize = 9;

/// Who is measured: a name, and what gives one time. It is told the number of the round; round 0 is not counted, so it
/// may warm up.
pub(crate) type Contender<'a> = (&'a str, &'a mut dyn FnMut(usize) -> Result<Duration>);

/// Measures all by turns, with another one first in each round, and gives their medians in seconds. Every single time is
/// recorded.
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
