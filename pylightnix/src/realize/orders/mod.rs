//! Builds that leave the program: tasks of an executor, which make the plan again and publish by themselves.
//!
//! Data flows down this list: a thread of the run hands a build to `dispatch`, as a `ticket`; `engine` makes tasks of tickets
//! (`times`, `packing`), writes an `order` for each (`batches`), and submits them to an `executor`, of which `slurm` is one. A task,
//! `serve`, makes the builds, and what it `said` comes back beside the order. `past` knows what failed while no run watched, `counts`
//! how many tasks wait and run, and `listed` what is in the queue, for people who look at it or cancel some.

mod batches;
pub(in crate::realize) mod counts;
pub(in crate::realize) mod dispatch;
mod engine;
pub(in crate::realize) mod executor;
mod listed;
pub(in crate::realize) mod order;
mod packing;
mod past;
pub(in crate::realize) mod runs_on;
pub(in crate::realize) mod said;
pub(crate) mod serve;
mod slurm;
pub(in crate::realize) mod ticket;
mod times;
mod watch;

pub use executor::{Adopted, Batch, Executor, Needs, ORDERS, Room, Sight, Submission, TaskId};
pub use listed::{CancelledTask, ListedBuild, ListedState, ListedTask};
pub use runs_on::RunsOn;
pub use slurm::Slurm;
