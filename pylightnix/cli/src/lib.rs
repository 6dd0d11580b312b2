//! The command line of [Pylightnix](pylightnix): of programs with an experiment, and of the program `pylightnix`, which
//! works on any store; and [`progress`], which shows a run.
//!
//! [`main`] is all that a program with one target needs; [`App`] is for several, and for arguments of its own.
//!
//! The exit code of a command is 0 on success, 1 if a stage failed, a check found faults, nothing matches
//! or something was refused, 2 for a command line that is not valid, 3 if the store does not exist or cannot be
//! used, and 130 if the command was cancelled.

#![warn(unreachable_pub)]
// Commands print through their session, which filters control characters.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod app;
mod commands;
mod complete;
mod depends;
pub mod draw;
mod exit;
mod experiment;
mod follow;
mod json;
mod out;
mod picture;
pub mod progress;
mod session;
mod stages;
mod table;
mod text;
mod values;
mod visible;
mod watch;

#[doc(hidden)]
pub use app::store_main;
pub use app::{App, NoArgs, main};
pub use clap;
pub use progress::{Progress, Show, failure_report};

/// The example of the README has to compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
