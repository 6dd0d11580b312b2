//! The decision on one stage whose dependencies are chosen: take, build or never.
//!
//! It reads the store through `lookup/` alone, and knows nothing of threads. Begin to read at [`decision`].

pub(super) mod arguments;
pub(super) mod clock_watch;
pub(super) mod context;
pub(super) mod decision;
pub(super) mod pinned;
pub(super) mod runs;
pub(super) mod staleness;
