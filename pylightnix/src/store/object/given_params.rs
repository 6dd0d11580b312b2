//! The parameters that a run was given, as its build records tell.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::config::Digest;
use crate::visible;

/// The values of the parameters of a run, by their keys. Many records share them.
pub(crate) type GivenParams = Arc<BTreeMap<String, Value>>;

/// The number of bytes of JSON above which a record has the digest of a value in its place: every record of a run has the values.
const MOST_BYTES: usize = 4096;

/// Returns these values as records have them.
pub(crate) fn recorded(values: BTreeMap<String, Value>) -> GivenParams {
    let values = values.into_iter();
    let values = values.map(|(key, value)| {
        let text = value.to_string();
        let value = match text.len() > MOST_BYTES {
            true => {
                json!({"sha256": Digest::of(text.as_bytes()).to_string(), "size_bytes": text.len()})
            }
            false => value,
        };
        (key, value)
    });
    Arc::new(values.collect())
}

/// Something that differs between the parameters of two builds.
///
/// `Display` writes it in a line: `train.rate 0.1 -> 0.5`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ParamChange {
    /// The key of the parameter.
    pub key: String,
    /// The value before; `None` if there was no such parameter.
    pub old: Option<Value>,
    /// The value now; `None` if there is no such parameter.
    pub new: Option<Value>,
}

/// Compares the parameters of two builds.
pub(super) fn changes(
    old: &BTreeMap<String, Value>,
    new: &BTreeMap<String, Value>,
) -> Vec<ParamChange> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changes = keys.into_iter().map(|key| ParamChange {
        key: key.clone(),
        old: old.get(key).cloned(),
        new: new.get(key).cloned(),
    });
    changes.filter(|change| change.old != change.new).collect()
}

impl fmt::Display for ParamChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| match value {
            Some(value) => value.to_string(),
            None => "none".to_owned(),
        };
        let text = format!("{} {} -> {}", self.key, shown(&self.old), shown(&self.new));
        f.write_str(&visible::line(&text))
    }
}

pub(super) fn is_empty(params: &GivenParams) -> bool {
    params.is_empty()
}

pub(super) fn write<S: Serializer>(params: &GivenParams, to: S) -> Result<S::Ok, S::Error> {
    params.as_ref().serialize(to)
}

/// Deserializes parameters; none if they are not understood, so that the build record stays readable.
pub(super) fn understood<'de, D: Deserializer<'de>>(from: D) -> Result<GivenParams, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(Arc::new(serde_json::from_value(value).unwrap_or_default()))
}
