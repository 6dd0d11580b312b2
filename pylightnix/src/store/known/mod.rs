//! What the store has, as of one moment: snapshots of derivations, lists, builds under way and their logs.
//!
//! It reads and never writes. It uses `disk`, `object` and `index`. Begin to read at [`look`].

pub(in crate::store) mod durations;
pub(in crate::store) mod follow;
pub(in crate::store) mod list;
pub(in crate::store) mod realizations;
pub(in crate::store) mod remains;
pub(in crate::store) mod running;
pub(in crate::store) mod snapshot;
pub(in crate::store) mod survey;
