//! How a stage fails: caught panics, the error messages, failures that are recorded as results, and retries.

pub(super) mod errors;
pub(super) mod panics;
pub(super) mod recorded;
pub(super) mod retry;
