//! Reads the fields of parameters from their values.

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::{Error, ErrorKind, Result};

/// The values of a group of parameters, as generated code reads them.
#[derive(Debug)]
pub struct ParamValues<'a> {
    all: &'a BTreeMap<String, Value>,
    /// The keys of the groups, each with a dot.
    prefix: String,
}

impl<'a> ParamValues<'a> {
    pub(super) fn new(all: &'a BTreeMap<String, Value>) -> Self {
        let prefix = String::new();
        ParamValues { all, prefix }
    }

    #[doc(hidden)]
    pub fn group(&self, key: &str) -> Result<Self> {
        let prefix = format!("{}{key}.", self.prefix);
        Ok(ParamValues {
            all: self.all,
            prefix,
        })
    }

    pub(crate) fn value<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let key = format!("{}{key}", self.prefix);
        let error =
            |what: &str| Error::new(ErrorKind::Params, format!("the parameter `{key}` {what}"));
        let value = self.all.get(&key).ok_or_else(|| error("has no value"))?;
        serde_json::from_value(value.clone())
            .map_err(|cause| error("has a value that does not fit its type").because(cause))
    }
}
