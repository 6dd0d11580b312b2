//! Consistent views of the store: snapshots of derivations, lists, running builds and their logs.
//!
//! Read-only. Depends on `disk`, `object` and `index`. Begin to read at [`snapshot`].

pub(in crate::store) mod durations;
pub(in crate::store) mod follow;
pub(in crate::store) mod list;
pub(in crate::store) mod realizations;
pub(in crate::store) mod remains;
pub(in crate::store) mod running;
pub(in crate::store) mod signatures;
pub(in crate::store) mod snapshot;
pub(in crate::store) mod survey;
pub(in crate::store) mod vouchers;
