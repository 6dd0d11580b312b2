//! The decision on a stage whose dependencies are chosen: take, build, or fail.
//!
//! Reads the store through `lookup/` only, and does not depend on threads. Begin to read at [`decision`].

pub(super) mod arguments;
pub(super) mod carry;
pub(super) mod clock_watch;
pub(super) mod context;
pub(super) mod decision;
pub(super) mod earlier;
pub(super) mod pinned;
pub(super) mod runs;
pub(super) mod sealed;
pub(super) mod staleness;
pub(super) mod trusted;
