//! Measuring and reading the output of processes.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pylightnix::prelude::Result;

/// Returns the median.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Measures a command from its start to its end.
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

/// Measures the time until a command prints its first line.
pub(crate) fn first_line(command: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    let mut process = command.stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let mut stdout = BufReader::new(process.stdout.take().ok_or("it has no output")?);
    stdout.read_line(&mut line)?;
    let time = begun.elapsed();
    std::io::copy(&mut stdout, &mut std::io::sink())?;
    match process.wait()?.success() {
        true => Ok(time),
        false => Err(format!("{command:?} failed").into()),
    }
}

/// Returns the output of a command.
pub(crate) fn said_text(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?.trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed:\n{said}").into())
}

/// Returns the number that a command prints.
pub(crate) fn said(command: &mut Command) -> Result<f64> {
    Ok(said_text(command)?.parse()?)
}

/// Returns the seconds that a command prints.
pub(crate) fn said_time(command: &mut Command) -> Result<Duration> {
    Ok(Duration::from_secs_f64(said(command)?))
}

/// Returns a command that runs this program as a child process of the benchmark.
pub(crate) fn child(benchmark: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child", benchmark]);
    Ok(command)
}

/// Returns the exponent of the growth with the size: 1 is linear.
pub(crate) fn exponent(small: (usize, f64), large: (usize, f64)) -> f64 {
    (large.1 / small.1).ln() / (large.0 as f64 / small.0 as f64).ln()
}
