//! How builds are carried out.
//!
//! An [`Executor`] is given the runs of a build as an [`Order`]: references, a context, indices and limits. It knows nothing of matchers,
//! of other stages or of the plan. The build lock, the promises, publishing and every decision stay with its caller, `run/`. What an
//! executor says of a task is a hint: the store says what is made. The only executor so far is that of
//! this process, `run/threads.rs`.

pub(in crate::realize) mod code;
pub(in crate::realize) mod configs;
pub(in crate::realize) mod disk_full;
pub(in crate::realize) mod promises;

use std::sync::Arc;

use crate::config::DRefId;
use crate::plan::Limits;
use crate::store::Context;

/// The runs of one derivation, from one context, that are to be made.
pub(in crate::realize) struct Order<'a> {
    pub(in crate::realize) dref: DRefId,
    pub(in crate::realize) context: Context,
    /// The indices of the runs.
    pub(in crate::realize) indices: Vec<usize>,
    /// What one run needs.
    pub(in crate::realize) limits: &'a Limits,
}

/// What the process of the run does for each run of an order: it makes the draft, has the code run, and publishes.
pub(in crate::realize) trait Work: Send + Sync {
    /// The order.
    fn order(&self) -> &Order<'_>;

    /// Makes runs until none is left to begin, or until `pause` returns true after one. Returns whether some are left.
    fn make(&self, pause: &dyn Fn() -> bool) -> bool;

    /// Whether all runs have ended.
    fn is_over(&self) -> bool;

    /// Waits until another run has ended, or all have.
    fn wait(&self);
}

/// An order that an executor carries out.
pub(in crate::realize) struct Task<'a>(pub(in crate::realize) Arc<dyn Work + 'a>);

/// What an executor sees of a task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::realize) enum Sight {
    /// Some of its runs have not ended.
    Running,
    /// All of its runs have ended, well or not.
    Over,
}

/// Carries out orders.
pub(in crate::realize) trait Executor<'a> {
    /// Takes what one run of the stage at `at` needs. Returns false if that is not free: the stage gets another turn when it is.
    fn room(&self, at: usize) -> bool;

    /// Begins an order, and returns at once.
    fn submit(&self, work: Arc<dyn Work + 'a>) -> Task<'a>;

    /// Looks at a task.
    fn look(&self, task: &Task<'a>) -> Sight;

    /// Begins no further order. Runs that go on are told to stop by the watchdog of the run.
    fn cancel(&self);

    /// Takes over the task of an equal order that an earlier process submitted and left, if there is one.
    fn adopt(&self, order: &Order<'_>) -> Option<Task<'a>>;
}
