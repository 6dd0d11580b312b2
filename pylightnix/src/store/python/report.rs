//! What an import or an export did.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::Error;
use crate::config::RRefId;

/// What an import brings from a Python store, dependencies first.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Imported {
    /// The realizations that are in the store now, or that an import would bring.
    pub realizations: Vec<ImportedRealization>,
    /// What stays where it is, with everything that was made from it.
    pub left_out: Vec<LeftOut>,
}

/// A realization of a Python store, and what it is in a store of this library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportedRealization {
    /// The reference in the Python store.
    pub python: RRefId,
    /// The reference in the store of this library.
    pub rref: RRefId,
    /// Whether it is new to the store.
    #[serde(rename = "new")]
    pub is_new: bool,
    /// Whether its hash was checked. That of a realization with many folders in one folder may depend on an order that is
    /// written nowhere; see [`Import::trust_unchecked`](super::Import::trust_unchecked).
    #[serde(rename = "checked")]
    pub is_checked: bool,
}

/// What an export wrote, dependencies first.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Exported {
    /// The realizations that Python finds now, or that an export would write.
    pub realizations: Vec<ExportedRealization>,
    /// What Python has no form for, with everything that was made from it.
    pub left_out: Vec<LeftOut>,
}

/// A realization of this library, and what it is in a Python store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExportedRealization {
    /// The reference in the store of this library.
    pub rref: RRefId,
    /// The reference in the Python store.
    pub python: RRefId,
    /// Whether it is new there.
    #[serde(rename = "new")]
    pub is_new: bool,
    /// Whether it has only files at its top. `sunpack` of the package takes no others out of an archive.
    #[serde(rename = "flat")]
    pub is_flat: bool,
}

/// Something that was left out.
#[derive(Debug)]
#[non_exhaustive]
pub struct LeftOut {
    /// What it is: a reference, or the name of a folder.
    pub name: String,
    /// Why.
    pub error: Error,
}

impl Serialize for LeftOut {
    /// An object with `name` and `why`, a text.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut row = to.serialize_struct("LeftOut", 2)?;
        row.serialize_field("name", &self.name)?;
        row.serialize_field("why", &self.error.to_string())?;
        row.end()
    }
}
