//! Publishing objects: a draft is filled, sealed and installed by one rename.
//!
//! Depends on `disk`, `object` and the locks of `using`. Begin to read at [`draft`], then [`install`].

pub(in crate::store) mod builds;
pub(in crate::store) mod carry;
pub(in crate::store) mod code;
pub(in crate::store) mod complete;
pub(in crate::store) mod copy;
pub(in crate::store) mod derivation;
pub(in crate::store) mod draft;
pub(in crate::store) mod exportable;
pub(in crate::store) mod install;
pub(in crate::store) mod marks;
pub(in crate::store) mod own_links;
pub(in crate::store) mod remarks;
pub(in crate::store) mod sign;
pub(in crate::store) mod staging;
pub(in crate::store) mod stub;
pub(in crate::store) mod whole;
