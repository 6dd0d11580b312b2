//! The command line of [Pylightnix](pylightnix), for programs with an experiment and as the program `pylightnix`, which
//! works on any store; and [`progress`], the progress display of runs.
//!
//! A program with one target calls [`main`], or with parameters [`main_with_params`]; a program with several targets or its own arguments uses [`App`].
//!
//! The exit code of a command is 0 on success, 1 if a stage failed, a check found faults, nothing matches
//! or something was refused, 2 for a command line or a parameter that is not valid, 3 if the store does not exist or cannot be
//! used, and 130 if the command was cancelled.

#![warn(unreachable_pub)]
// Commands print through their session, which filters control characters.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod app;
mod commands;
mod complete;
mod depends;
pub mod draw;
mod driver;
mod effects;
mod exit;
mod experiment;
mod follow;
mod forced;
mod interrupt;
mod journal;
mod json;
mod out;
#[cfg(feature = "pages")]
mod pages;
mod params;
mod picture;
pub mod progress;
mod queue;
mod remotes;
mod session;
mod ssh;
mod stages;
mod table;
mod text;
mod trust;
mod values;
mod visible;
mod watch;

#[doc(hidden)]
pub use app::store_main;
pub use app::{App, NoArgs, main, main_with, main_with_params};
pub use clap;
pub use progress::{Progress, Show, failure_report};

/// Compiles the example of the README as a documentation test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
