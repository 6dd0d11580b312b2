//! Snapshots of the store for the stages of a plan, prefetched before the decisions; and what remotes have, read when a run asks.
//!
//! Reads; does not depend on matchers, code fingerprints or runs. Begin to read at [`prefetch`].

pub(super) mod hits;
pub(super) mod prefetch;
pub(in crate::realize) mod recalled;
pub(super) mod remotes;
