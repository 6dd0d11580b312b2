//! Sandboxes on Linux: files by Landlock, the rest by a filter of system calls.

mod filter;
mod opens;
mod restrict;
mod system;

pub(in crate::realize::processes) use opens::Watch;
pub(super) use opens::close_others;
pub(super) use restrict::{check, restrict};
