//! Realizing plans: reuses existing results, and builds missing and stale ones.
//!
//! For each derivation, in dependency order and in parallel as the number of jobs allows: the realizations chosen for its
//! direct dependencies are its context; its realizations with that context and today's code are the candidates; the matcher
//! takes some of them, or requests new ones.
//!
//! A user sets `options` and calls one of the `verbs`. From there a run goes through `run/` to the store: for each stage,
//! `lookup/` reads snapshots, `decide/` takes candidates or builds, and `execute/` carries out the build. `ask/`, `steps/`
//! and `why/` are other verbs that make the same decisions.

mod ask;
mod decide;
mod execute;
mod failure;
mod foresee;
mod lookup;
mod options;
pub(crate) mod orders;
pub(crate) mod processes;
mod report;
mod resources;
mod run;
mod stage_params;
mod steps;
mod stop;
mod verbs;
mod walk;
pub mod why;

pub use crate::plan::Counts;
pub use ask::accept::Accept;
pub use ask::determinism::{Determinism, Rebuild};
pub use ask::find::{FindStage, FindingStage};
pub use options::Realize;
pub use orders::{
    Adopted, Batch, CancelledTask, Executor, ListedBuild, ListedState, ListedTask, Needs, ORDERS,
    Room, RunsOn, Sight, Slurm, Submission, TaskId,
};
pub use processes::Processes;
pub use report::acceptance::{Acceptance, Accepted, NotAccepted, Waiting};
pub use report::action::{Action, DryPlan, Step};
pub use report::at_remote::AtRemote;
pub use report::carried::{CarriedWhy, OtherResult};
pub use report::code_notes::{CodeNotes, EarlierResults, UnseenCode, WideCode, WideningItem};
pub use report::event::{Event, Observer};
pub use report::memory_guard::MemoryGuard;
pub use report::reason::{Reason, Stale};
pub use report::titles::Titles;
pub use report::totals::Report;
pub use resources::needs::{parse_bytes, parse_duration};
pub(crate) use stage_params::StageParams;
pub use steps::by_hand::ByHand;
pub use steps::stepping::{Paused, Stepping};
pub use stop::cancel::Cancel;
