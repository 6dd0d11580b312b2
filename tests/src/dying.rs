//! Ways in which a stage may die, for tests and campaigns of stages in processes.

#![allow(clippy::panic, reason = "this is what stages should not do")]

use pylightnix::prelude::Result;
use rustix::process::{Signal, getpid, kill_process};
use std::hint::black_box;
use std::thread::sleep;
use std::time::Duration;

/// The memory, in bytes, that a stage which is to die of too much declares, as `#[stage(memory = "100MiB")]`.
pub const LIMIT: u64 = 100 << 20;

/// The ways, with what the error of such a stage says.
pub const WAYS: [(&str, &str); 8] = [
    ("abort", "its process was killed by SIGABRT (signal 6)"),
    ("exit", "its process ended with exit status 0"),
    ("kill", "its process was killed by SIGKILL (signal 9)"),
    ("segfault", "its process was killed by SIGSEGV (signal 11)"),
    ("overflow", "its process was killed by SIGABRT (signal 6)"),
    ("panic", "it panicked: on purpose"),
    ("error", "No such file or directory"),
    ("memory", "of 100 MiB of memory"),
];

/// Dies in this way. Returns if there is no such way.
///
/// # Errors
/// In one of the ways.
pub fn die(how: &str) -> Result<()> {
    match how {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        "kill" => kill_process(getpid(), Signal::KILL)?,
        // Of a signal that no access to memory caused, the handler of Rust takes one.
        "segfault" => {
            kill_process(getpid(), Signal::SEGV)?;
            kill_process(getpid(), Signal::SEGV)?;
        }
        "overflow" => println!("{}", deep(1)),
        "panic" => panic!("on purpose"),
        "error" => std::fs::read("/nowhere").map(drop)?,
        "memory" => {
            let _held = hold(3 * LIMIT);
            sleep(Duration::from_secs(60));
        }
        _ => {}
    }
    Ok(())
}

/// Holds this much memory, written to.
#[must_use]
pub fn hold(bytes: u64) -> Vec<Vec<u8>> {
    let of_one = 1 << 20;
    (0..bytes / of_one)
        .map(|_| black_box(vec![1; of_one as usize]))
        .collect()
}

/// Needs more stack than there is.
fn deep(number: u64) -> u64 {
    let room = black_box([number; 1024]);
    if number == 0 {
        0
    } else {
        deep(room[512] + 1) + room[3]
    }
}
