//! A realization in the form that Python has for it, and where that goes.

use std::sync::Arc;

use super::contexts::PythonContext;
use super::names::{FAILURE, STATUS};
use crate::config::{ConfigJson, RRefId};
use crate::store::Store;
use crate::store::object::record::{Outcome, Record};
use crate::{Error, ErrorKind, Result};

/// Where an export goes. Realizations come dependencies first.
pub(super) trait WriteTo {
    /// Writes a realization, with the config of its derivation. Returns whether it is new; fails if there is another one of its
    /// name.
    fn realization(&mut self, exportable: &Exportable<'_>) -> Result<bool>;

    /// Whether an error concerns the whole export.
    fn is_broken_by(&self, error: &Error) -> bool;

    /// Ends the export.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A realization in the form that Python has for it.
pub(super) struct Exportable<'a> {
    pub(super) store: &'a Store,
    pub(super) rref: &'a RRefId,
    pub(super) config: ConfigJson,
    pub(super) record: Record,
    /// The reference in a Python store.
    pub(super) python: RRefId,
    pub(super) context: Arc<PythonContext>,
    /// The files that are no artifacts, by name.
    pub(super) notes: Vec<(&'static str, String)>,
}

impl Exportable<'_> {
    /// Returns the path in a Python realization of the artifact `path`.
    pub(super) fn path<'p>(&self, path: &'p str) -> &'p str {
        match path == FAILURE && self.record.head().outcome == Outcome::Failed {
            true => STATUS,
            false => path,
        }
    }
}

/// Makes the error for a realization that cannot be exported.
pub(super) fn refused(rref: &RRefId, why: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{rref} has no form in a Python store: {why}"),
    )
}
