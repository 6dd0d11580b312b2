//! How a build is carried out on the threads of this process.
//!
//! The runs of a build are described by a [`BuildRequest`]: references, a context, indices and limits. The threads of the scheduler,
//! `run/scheduler.rs`, make them through [`Work`], and know neither matchers nor promises. `run/` holds the build lock, publishes, and
//! makes all decisions: the store decides what is made.

pub(in crate::realize) mod code;
pub(in crate::realize) mod configs;
pub(in crate::realize) mod disk_full;
pub(in crate::realize) mod promises;

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
