//! Use of the store by processes: locks, leases, sweeps after dead processes, and roots.
//!
//! Depends on `disk` and `index`. Begin to read at [`locks`].

pub(in crate::store) mod deadlock;
pub(in crate::store) mod flock;
pub(in crate::store) mod in_use;
pub(in crate::store) mod lease;
pub(in crate::store) mod link;
pub(in crate::store) mod locks;
pub(in crate::store) mod roots;
pub(in crate::store) mod sweep;
