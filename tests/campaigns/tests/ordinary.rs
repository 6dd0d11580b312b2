//! The campaigns, with counts that fit among the ordinary tests.

#![allow(clippy::unwrap_used, reason = "a failing test says where")]

use campaigns::{Options, run};

/// Fails at any violation, and when the campaign could not be run.
#[track_caller]
fn holds(name: &str, count: usize) {
    let options = Options {
        count: Some(count),
        seed: 1,
        program: env!("CARGO_BIN_EXE_campaigns").into(),
    };
    let figures = run(name, &options).unwrap();
    println!("{figures}");
    assert!(figures.rounds > 0, "{name} did nothing");
    assert_eq!(figures.violations, Vec::<String>::new(), "{name}");
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
fn left_out() {
    holds("left-out", 40);
}
