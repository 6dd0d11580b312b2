//! The campaigns, with counts small enough for ordinary tests.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use std::process::Command;

/// Fails at any violation, and if the campaign could not be run. Each runs in a process of its own: child processes of other
/// tests would hold inherited locks for a moment.
#[track_caller]
fn holds(name: &str, count: usize) {
    let done = Command::new(env!("CARGO_BIN_EXE_campaigns"))
        .args([name, "--count", &count.to_string(), "--seed", "1"])
        .output()
        .unwrap();
    let (figures, errors) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    println!("{figures}");
    assert!(done.status.success(), "{name}: {figures}\n{errors}");
    assert!(!figures.is_empty(), "{name} did nothing");
}

#[test]
fn syscalls() {
    holds("syscalls", 500);
}

#[test]
fn full() {
    holds("full", 40);
}

#[test]
fn power() {
    holds("power", 10);
}

#[test]
fn processes() {
    // Each way to die, once.
    holds("processes", 9);
}

#[test]
fn sealed() {
    holds("sealed", 20);
}

#[test]
fn kill() {
    holds("kill", 50);
}

#[test]
fn model() {
    holds("model", 200);
}

#[test]
fn race() {
    holds("race", 5_000);
}

#[test]
fn rot() {
    holds("rot", 200);
}

#[test]
fn wait() {
    holds("wait", 500);
}

#[test]
fn cut_off() {
    holds("cut-off", 200);
}

#[test]
fn left_out() {
    holds("left-out", 40);
}

#[test]
fn mounts() {
    holds("mounts", 1);
}

#[test]
fn remotes() {
    // One round with short stops, and one with stops beyond the grace.
    holds("remotes", 2);
}
