//! Times, and what is said of them.

use std::process::Command;
use std::time::{Duration, Instant};

use pylightnix::prelude::Result;

/// The median of `times`.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// How long a command takes, from its start to its end.
pub(crate) fn time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let output = command.output()?;
    let time = start.elapsed();
    if output.status.success() {
        return Ok(time);
    }
    Err(format!(
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

/// A process of this program that does what the benchmark's `child` does with these words.
pub(crate) fn child(benchmark: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child", benchmark]);
    Ok(command)
}

/// The exponent with which a figure grows with the size: 1 is linear.
pub(crate) fn exponent(small: (usize, f64), large: (usize, f64)) -> f64 {
    (large.1 / small.1).ln() / (large.0 as f64 / small.0 as f64).ln()
}
