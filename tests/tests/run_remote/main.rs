//! Runs with remotes: what they take from there, what stays there, and what comes from another context.

#![allow(clippy::unwrap_used, reason = "a failing test may say so by a panic")]

mod carried;
mod group;
mod stubs;
mod taking;
