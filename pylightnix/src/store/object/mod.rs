//! The objects of the store and their file formats: records, manifests, contexts, realizations and build records.
//!
//! Objects never change, so no locks are needed here. Depends on `disk`. Begin to read at [`record`], then [`realization`].

pub(in crate::store) mod attached;
pub(in crate::store) mod build_files;
pub(in crate::store) mod build_mark;
pub(in crate::store) mod build_record;
pub(in crate::store) mod builds;
pub(in crate::store) mod carried;
pub(in crate::store) mod choice;
pub(in crate::store) mod clock;
pub(crate) mod code_list;
pub(in crate::store) mod commit;
pub(in crate::store) mod context;
pub(in crate::store) mod cpu;
pub(in crate::store) mod environment;
pub(in crate::store) mod given_params;
pub(in crate::store) mod paths;
pub(in crate::store) mod promised;
pub(in crate::store) mod python_origin;
pub(in crate::store) mod reads;
pub(in crate::store) mod realization;
pub(in crate::store) mod record;
pub(in crate::store) mod scan;
pub(in crate::store) mod seal;
pub(crate) mod series;
pub(in crate::store) mod signature;
pub(in crate::store) mod tree;
pub(in crate::store) mod uncommitted;
pub(in crate::store) mod violation;
