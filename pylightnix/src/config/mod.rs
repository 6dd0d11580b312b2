//! What identifies a derivation: names, references, and the canonical JSON of configs.
//!
//! A [`ConfigJson`] holds the canonical bytes of a config; the hash of these bytes is its reference. Generated code writes
//! and reads them; a JSON text from anywhere else comes in by [`ConfigJson::from_json`].

pub(crate) mod changes;
mod digest;
mod document;
pub(crate) mod field_path;
mod fields;
pub(crate) mod hex;
mod ids;
mod labels;
mod lists;
mod locate;
mod misfit;
mod name;
mod near;
mod plain;
mod raw;
mod read;
mod text;
mod value_error;
mod words;
mod writer;

pub use changes::FieldChange;
pub(crate) use changes::{names_inside, object_parts, reference_in};
pub use digest::Digest;
pub use document::ConfigJson;
pub(crate) use document::promises;
pub(crate) use field_path::{FieldPath, PathStep, joined, list_names, same};
pub use fields::{Fields, StoredValue};
pub use ids::{DRefId, RRefId};
pub(crate) use labels::{Labelled, labels as labels_of};
pub(crate) use lists::Lists;
pub use name::Name;
pub(crate) use near::{is_near, nearest_first};
#[doc(hidden)]
pub use serde_json::value::RawValue;
pub(crate) use value_error::ValueError;
pub use writer::{ConfigWriter, ListWriter, MapWriter, ValueWriter};
