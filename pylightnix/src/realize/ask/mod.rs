//! Operations on a plan or a store that are not runs: dry runs, choices without building, acceptance, determinism tests,
//! typed references, questions.
//!
//! The verbs call these; a run calls none of them. The files do not depend on each other.

pub(super) mod accept;
mod at_remotes;
pub(super) mod code_notes;
pub(super) mod determinism;
pub(super) mod dry;
pub(super) mod find;
pub(super) mod question;
pub(super) mod realized;
pub(super) mod references;
pub(super) mod typed;
