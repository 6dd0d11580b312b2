//! Stepping through a plan, and building a stage by hand. Begin to read at [`stepping`].

pub(super) mod by_hand;
pub(super) mod stepping;
