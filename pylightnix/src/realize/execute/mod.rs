//! Executors, which carry out builds.
//!
//! An [`Executor`] receives the runs of a build as a [`BuildRequest`]: references, a context, indices and limits. It does not know
//! matchers, other stages or the plan. Its caller, `run/`, holds the build lock, checks promises, publishes, and makes all
//! decisions. What an executor reports about a task is only a hint: the store decides what is made. So far the only executor
//! is `run/threads.rs`, which uses the threads of this process.

pub(in crate::realize) mod code;
pub(in crate::realize) mod configs;
pub(in crate::realize) mod disk_full;
pub(in crate::realize) mod promises;

use std::sync::Arc;

use crate::config::DRefId;
use crate::plan::Limits;
use crate::store::Context;

/// The runs of one derivation from one context that have to be made.
pub(in crate::realize) struct BuildRequest<'a> {
    pub(in crate::realize) dref: DRefId,
    pub(in crate::realize) context: Context,
    /// The indices of the runs.
    pub(in crate::realize) indices: Vec<usize>,
    /// The resources that one run needs.
    pub(in crate::realize) limits: &'a Limits,
}

/// The work on a request, done by the process of the run: for each run it creates the draft, calls the stage's code, and
/// publishes.
pub(in crate::realize) trait Work: Send + Sync {
    /// Returns the request.
    fn request(&self) -> &BuildRequest<'_>;

    /// Makes runs until none is left to begin, or until `pause` returns `true` after a run. Returns whether runs are left.
    fn make(&self, pause: &dyn Fn() -> bool) -> bool;

    /// Returns whether all runs have ended.
    fn is_over(&self) -> bool;

    /// Waits until another run has ended, or all have.
    fn wait(&self);
}

/// A request that an executor carries out.
pub(in crate::realize) struct Task<'a>(pub(in crate::realize) Arc<dyn Work + 'a>);

/// The state of a task, as the executor sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::realize) enum TaskState {
    /// Some runs have not ended.
    Running,
    /// All runs have ended, successfully or not.
    Over,
}

/// Carries out requests.
pub(in crate::realize) trait Executor<'a> {
    /// Reserves the resources for one run of the stage with index `at`. Returns `false` if they are not free; the stage gets
    /// another turn when they are.
    fn reserve(&self, at: usize) -> bool;

    /// Begins a request without waiting for it.
    fn submit(&self, work: Arc<dyn Work + 'a>) -> Task<'a>;

    /// Returns the state of a task.
    fn state(&self, task: &Task<'a>) -> TaskState;

    /// Begins no further requests. The watchdog stops the runs in progress.
    fn cancel(&self);

    /// Returns the task of an equal order that an earlier process submitted and left behind, if there is one.
    fn adopt(&self, request: &BuildRequest<'_>) -> Option<Task<'a>>;
}
