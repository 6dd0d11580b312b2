//! The file system layer of the store: layout, durable writes, copying, hashing, removal.
//!
//! Knows nothing of references between objects, of locks or of [`Store`](super::Store), and depends on `config` alone. Begin to
//! read at [`layout`], then [`durable`].

pub(in crate::store) mod below;
pub(in crate::store) mod bytes;
pub(in crate::store) mod checked;
pub(in crate::store) mod duplicate;
pub(in crate::store) mod durable;
pub(in crate::store) mod entries;
pub(in crate::store) mod format;
pub(in crate::store) mod hashing_stream;
pub(in crate::store) mod layout;
pub(in crate::store) mod parallel;
pub(in crate::store) mod python;
pub(crate) mod regular;
pub(in crate::store) mod remove;
pub(in crate::store) mod reserve;
pub(in crate::store) mod room;
pub(in crate::store) mod share;
pub(in crate::store) mod sparse;
pub(in crate::store) mod spool;
pub(in crate::store) mod sync_pool;
pub(in crate::store) mod system;
pub(in crate::store) mod target;
pub(in crate::store) mod there;
pub(in crate::store) mod unsynced;
pub(in crate::store) mod writers;
