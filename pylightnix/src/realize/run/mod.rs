//! A run: the stages of a plan are decided in dependency order, on several threads, and built where they have to be.
//!
//! It decides by `decide/`, on what `lookup/` reads, and has builds carried out by `execute/`, which it knows by the trait
//! [`Executor`](super::execute::Executor) alone. Begin to read at [`run_plan`], then [`build`] and [`runs`].

pub(super) mod build;
pub(super) mod choices;
pub(super) mod counters;
pub(super) mod progress;
pub(super) mod run_plan;
pub(super) mod runs;
pub(super) mod scheduler;
pub(super) mod state;
pub(super) mod stub;
pub(super) mod threads;
