//! What is asked of a plan or of the store without a run: dry runs, what is realized, acceptance, determinism, typed references.
//!
//! The verbs call these; nothing here is called by a run. Each file stands for itself.

pub(super) mod accept;
pub(super) mod determinism;
pub(super) mod dry;
pub(super) mod find;
pub(super) mod realized;
pub(super) mod references;
pub(super) mod typed;
