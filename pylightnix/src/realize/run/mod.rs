//! A run: decides the stages of a plan in dependency order on several threads, and builds those that have no current
//! results.
//!
//! Decides with `decide/` on the snapshots of `lookup/`, and builds with `execute/` on the threads of [`scheduler`]. Begin to read at
//! [`run_plan`], then [`build`] and [`runs`].

pub(super) mod build;
mod carry;
mod carry_fetched;
pub(super) mod choices;
pub(super) mod counters;
mod elsewhere;
mod files;
pub(super) mod progress;
pub(super) mod rehearsal;
pub(super) mod run_plan;
pub(super) mod runs;
pub(super) mod scheduler;
pub(super) mod state;
pub(super) mod stub;
mod substitute;
