//! Runs the code of stages in processes of their own, so that a stage that dies takes nothing with it.
//!
//! A worker is the same program with the same arguments. It makes the plan again from the run's answers, finds the stage by its
//! reference, and runs its code in the folder that the run gives it. Locks, promises, choices and publication stay with the run.
//!
//! Data flows down this list: `pool` starts a `process` when a build needs one, `channel` carries a `message` to it and back, and
//! `worker` is the other side, which finds the stage by its `terms`. `wire_error` carries errors. The process of a sealed
//! stage is in a `sandbox`, and `memory` keeps one to what its stage declares. `left_behind` ends what a stage left running.

pub(in crate::realize) mod answered;
mod c_library;
mod channel;
mod left_behind;
mod memory;
pub(in crate::realize) mod message;
pub(in crate::realize) mod pool;
pub(in crate::realize) mod process;
pub(in crate::realize) mod sandbox;
pub(in crate::realize) mod terms;
pub(in crate::realize) mod wire_error;
pub(crate) mod worker;

pub use pool::Processes;
