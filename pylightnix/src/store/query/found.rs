//! Results of a search.

use jiff::Timestamp;
use once_cell::sync::OnceCell;
use serde::ser::{Error as _, SerializeStruct as _};
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

use super::Reference;
use crate::Result;
use crate::config::{ConfigJson, RRefId};
use crate::store::object::attached::{Remark, tags};
use crate::store::{BuildRecord, Realization, Store};

/// A realization that a search found. Its config and records are loaded on demand.
pub struct Found {
    store: Store,
    id: RRefId,
    config: Arc<OnceCell<ConfigJson>>,
    realization: OnceCell<Realization>,
    dated: OnceCell<Dated>,
    pub(super) metrics: Vec<f64>,
}

impl Found {
    /// Creates a result. `config` is shared by all realizations of one derivation.
    pub(super) fn new(store: &Store, id: RRefId, config: Arc<OnceCell<ConfigJson>>) -> Self {
        Found {
            store: store.clone(),
            id,
            config,
            realization: OnceCell::new(),
            dated: OnceCell::new(),
            metrics: Vec::new(),
        }
    }

    /// Adds the realization, as the index knows it.
    pub(super) fn with(mut self, realization: Option<Realization>) -> Self {
        self.realization = realization.map_or_else(OnceCell::new, OnceCell::with_value);
        self
    }

    /// Returns the reference.
    pub fn id(&self) -> &RRefId {
        &self.id
    }

    /// Returns the config of the derivation.
    ///
    /// # Errors
    /// As [`Store::config`].
    pub fn config(&self) -> Result<&ConfigJson> {
        self.config
            .get_or_try_init(|| self.store.config(self.id.dref()))
    }

    /// Returns the realization with its record head and build records.
    ///
    /// # Errors
    /// As [`Store::realization`].
    pub fn realization(&self) -> Result<&Realization> {
        self.realization
            .get_or_try_init(|| self.store.realization(&self.id))
    }

    /// Returns the end of the newest build, import or acceptance, or `None` if no build record has one; see
    /// [`BuildRecord::ended`].
    ///
    /// # Errors
    /// Fails if the realization was removed, or if a system call fails.
    pub fn newest(&self) -> Result<Option<Timestamp>> {
        Ok(self.dated()?.newest)
    }

    /// Returns the notes and tags, oldest first.
    ///
    /// # Errors
    /// As [`newest`](Self::newest).
    pub fn remarks(&self) -> Result<&[Remark]> {
        Ok(&self.dated()?.remarks)
    }

    /// Returns the names of its tags, sorted.
    ///
    /// # Errors
    /// As [`newest`](Self::newest).
    pub fn tags(&self) -> Result<Vec<String>> {
        Ok(tags(self.remarks()?))
    }

    fn dated(&self) -> Result<&Dated> {
        let stops = |builds: &[BuildRecord]| builds.iter().filter_map(BuildRecord::ended).max();
        self.dated.get_or_try_init(|| {
            if let Some(realization) = self.realization.get() {
                return Ok(Dated {
                    newest: stops(realization.builds()),
                    remarks: realization.remarks(),
                });
            }
            let (builds, remarks) = self.store.builds_and_remarks(&self.id)?;
            let newest = stops(&builds);
            Ok(Dated { newest, remarks })
        })
    }

    /// Returns the numbers for the metric conditions of the search, in their order.
    pub fn metrics(&self) -> &[f64] {
        &self.metrics
    }
}

/// What the build records of a realization say.
struct Dated {
    newest: Option<Timestamp>,
    remarks: Vec<Remark>,
}

impl Serialize for Found {
    /// An object with `rref`, `dref`, `name`, `time` (of its [newest](Self::newest) build, import or acceptance), `metrics`
    /// and `tags`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let newest = self.newest().map_err(S::Error::custom)?;
        let mut found = to.serialize_struct("Found", 6)?;
        found.serialize_field("rref", &self.id)?;
        found.serialize_field("dref", self.id.dref())?;
        found.serialize_field("name", self.id.name().as_str())?;
        found.serialize_field("time", &newest.map(|time| time.to_string()))?;
        found.serialize_field("metrics", &self.metrics)?;
        let tags = self.tags().map_err(S::Error::custom)?;
        found.serialize_field("tags", &tags)?;
        found.end()
    }
}

impl Reference for Found {
    type Id = RRefId;

    fn reference(&self) -> &RRefId {
        self.as_ref()
    }
}

impl AsRef<RRefId> for Found {
    fn as_ref(&self) -> &RRefId {
        &self.id
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Found({}, {:?})", self.id, self.metrics)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.id, f)
    }
}
