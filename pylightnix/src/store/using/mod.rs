//! Who uses the store: locks and leases of processes, sweeping after dead ones, and the roots that keep results.
//!
//! It uses `disk` and `index`, which lives as long as a process's locks do. Begin to read at [`locks`].

pub(in crate::store) mod errand;
pub(in crate::store) mod flock;
pub(in crate::store) mod in_use;
pub(in crate::store) mod lease;
pub(in crate::store) mod link;
pub(in crate::store) mod locks;
pub(in crate::store) mod roots;
pub(in crate::store) mod sweep;
