//! Helpers for tests of runs that leave their process: they watch the program `spread` in the store of a session.

use pylightnix::store::{RunFolder, RunStanding};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::line::Line;
use crate::slurm::{Cluster, sight};

/// Waits until something holds.
///
/// # Panics
/// It does not hold for a minute and a half.
#[track_caller]
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(90), "{what}\n{}", sight());
        sleep(Duration::from_millis(50));
    }
}

/// Starts a command that goes on in the background.
///
/// # Panics
/// It does not start.
#[must_use]
pub fn start(line: &Line, arguments: &str) -> Child {
    let mut command = line.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    command.spawn().expect("a program")
}

/// Whether a process has a handler for Ctrl-C by now.
#[must_use]
pub fn catches_interrupts(process: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 << (Signal::INT.as_raw() - 1) != 0)
}

/// Returns how often leaves ran: all their numbers, sorted.
///
/// # Panics
/// The file of the count has something else.
#[must_use]
pub fn ran(line: &Line) -> Vec<u64> {
    let count = fs::read_to_string(line.folder.path().join("count")).unwrap_or_default();
    let mut ran: Vec<u64> = (count.lines())
        .map(|line| line.parse().expect("a number"))
        .collect();
    ran.sort_unstable();
    ran
}

/// Returns the newest run.
///
/// # Panics
/// There is none.
#[must_use]
pub fn newest(line: &Line) -> RunFolder {
    line.store.run_named("-1").expect("a run")
}

/// Returns how a run stands.
///
/// # Panics
/// That cannot be read.
#[must_use]
pub fn standing(run: &RunFolder) -> RunStanding {
    run.standing().expect("a run")
}

/// Whether a run has ended.
#[must_use]
pub fn has_ended(run: &RunFolder) -> bool {
    standing(run) == RunStanding::Ended
}

/// Kills the process of a run, and waits until it is gone.
///
/// # Panics
/// There is none.
pub fn kill_driver(run: &RunFolder) {
    let process = run.record().expect("a run").process;
    let process = Pid::from_raw(process.cast_signed()).expect("a process");
    kill_process(process, Signal::KILL).expect("it lives");
    until("the process does not end", || {
        standing(run) == RunStanding::Killed
    });
}

/// Waits until no job is in the queue.
pub fn wait_for_queue(cluster: &Cluster) {
    until("a job goes on", || {
        cluster.jobs("pending,running,completing").is_empty()
    });
}

/// Returns the tasks of the session's store that still run on this machine.
///
/// # Panics
/// The processes cannot be listed.
#[must_use]
pub fn tasks(line: &Line) -> Vec<i32> {
    let wanted = format!("PYLIGHTNIX_ORDERS={}", line.store.root().display());
    let all = fs::read_dir("/proc").expect("a list").flatten();
    let numbers = all.filter_map(|process| process.file_name().to_str()?.parse().ok());
    let is_task = |number: &i32| {
        let variables = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&variables)
            .split('\0')
            .any(|variable| variable.starts_with(&wanted))
    };
    numbers.filter(is_task).collect()
}
