//! What the store has for the stages of a plan, read ahead of the decisions.
//!
//! It asks the store, and knows nothing of matchers, of today's code or of runs. Begin to read at [`prefetch`].

pub(super) mod hits;
pub(super) mod prefetch;
