//! What differs between two configs.

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

use super::field_path::{PathStep, joined, same};
use super::raw::{JsonType, Object};
use super::{ConfigJson, DRefId};
use crate::{Error, ErrorKind, Result};

/// A place at which two configs differ.
///
/// Serialization writes `old` and `new` as JSON values, not as strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldChange {
    /// The path of the field, as in `lr.schedule[3].rate`.
    pub path: String,
    /// The JSON text of the first config's value; `None` if it has no value at the path.
    #[serde(serialize_with = "as_value")]
    pub old: Option<String>,
    /// The JSON text of the second config's value; `None` if it has no value at the path.
    #[serde(serialize_with = "as_value")]
    pub new: Option<String>,
}

impl ConfigJson {
    /// Returns the differences between this config and `other`, in the order of this config's fields (`name` included);
    /// fields that only `other` has come last. Objects are compared key by key and lists item by item.
    ///
    /// ```
    /// use pylightnix::config::ConfigJson;
    /// let old = ConfigJson::from_json(r#"{"name": "train", "rate": 0.1, "layers": [4, 5]}"#)?;
    /// let new = ConfigJson::from_json(r#"{"name": "train", "rate": 0.2, "layers": [4, 6], "seed": 1}"#)?;
    /// let changes: Vec<_> = old.diff(&new)?.iter().map(ToString::to_string).collect();
    /// assert_eq!(changes, ["rate: 0.1 -> 0.2", "layers[1]: 5 -> 6", "seed: (none) -> 1"]);
    /// # Ok::<(), pylightnix::Error>(())
    /// ```
    ///
    /// # Errors
    /// None that a config made by this library can cause.
    pub fn diff(&self, other: &ConfigJson) -> Result<Vec<FieldChange>> {
        let mut changes = Vec::new();
        let one = self.raw()?;
        compare("", Some(one), Some(other.raw()?), &mut changes);
        Ok(changes)
    }

    /// Returns the path of the first reference to `dref` in this config, as in `models[2]`.
    pub(crate) fn place_of(&self, dref: &DRefId) -> Option<String> {
        let mut stack = vec![(String::new(), self.raw().ok()?)];
        while let Some((path, value)) = stack.pop() {
            if reference_in(value.get()).is_some_and(|found| found == *dref) {
                return Some(path);
            }
            let parts = inside(value).unwrap_or_default();
            let below = parts.iter().rev();
            stack.extend(below.map(|(step, value)| (joined(&path, step), *value)));
        }
        None
    }

    /// Returns the whole config as one JSON value.
    pub(crate) fn raw(&self) -> Result<&RawValue> {
        serde_json::from_str(self.json()).map_err(|error| {
            let message = format!("the config of {} is not valid JSON", self.id());
            Error::new(ErrorKind::Config, message).because(error)
        })
    }
}

/// Returns the derivation that a JSON text refers to; `None` if the text is not a reference.
pub(crate) fn reference_in(text: &str) -> Option<DRefId> {
    // Most values are not references: check the prefix before allocating.
    let text = text.strip_prefix("\"dref:")?.strip_suffix('"')?;
    format!("dref:{text}").parse().ok()
}

/// Serializes a JSON text as the value that it encodes.
fn as_value<S: Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    let value = |text: &String| serde_json::from_str::<Value>(text).ok();
    text.as_ref().and_then(value).serialize(to)
}

/// Appends the differences between two values to `changes`. The recursion is bounded: configs are at most 128 levels deep.
fn compare(
    path: &str,
    old: Option<&RawValue>,
    new: Option<&RawValue>,
    changes: &mut Vec<FieldChange>,
) {
    if let (Some(one), Some(other)) = (old, new) {
        if same(one, other) {
            return;
        }
        if JsonType::of(one) == JsonType::of(other)
            && let (Some(one), Some(other)) = (inside(one), inside(other))
        {
            let mut left: HashMap<&PathStep, &RawValue> =
                other.iter().map(|(step, value)| (step, *value)).collect();
            for (step, value) in &one {
                let there = left.remove(step);
                compare(&joined(path, step), Some(value), there, changes);
            }
            for (step, value) in other.iter().filter(|(step, _)| left.contains_key(step)) {
                compare(&joined(path, step), None, Some(value), changes);
            }
            return;
        }
    }
    let text = |value: Option<&RawValue>| value.map(compact);
    changes.push(FieldChange {
        path: path.to_owned(),
        old: text(old),
        new: text(new),
    });
}

/// Returns the items of a list or the entries of an object; `None` for other values.
pub(super) fn inside(value: &RawValue) -> Option<Vec<(PathStep, &RawValue)>> {
    let parts: Vec<(PathStep, &RawValue)> = match JsonType::of(value) {
        JsonType::Object => {
            let Object(entries) = serde_json::from_str(value.get()).ok()?;
            let entries = entries.into_iter();
            entries
                .map(|(key, value)| (PathStep::Key(key.into_owned()), value))
                .collect()
        }
        JsonType::List => {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            let items = items.into_iter().enumerate();
            items
                .map(|(at, value)| (PathStep::Index(at), value))
                .collect()
        }
        _ => return None,
    };
    Some(parts)
}

/// Returns the keys of an object or the indices of a list; `None` for other values.
pub(crate) fn names_inside(value: &RawValue) -> Option<Vec<String>> {
    let name = |(step, _)| match step {
        PathStep::Key(key) => key,
        PathStep::Index(at) => at.to_string(),
    };
    Some(inside(value)?.into_iter().map(name).collect())
}

/// Returns the entries of an object; `None` for other values.
pub(crate) fn object_parts(value: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    if JsonType::of(value) != JsonType::Object {
        return None;
    }
    let Object(entries) = serde_json::from_str(value.get()).ok()?;
    let entries = entries.into_iter();
    Some(
        entries
            .map(|(key, value)| (key.into_owned(), value))
            .collect(),
    )
}

/// Formats a canonical JSON text on one line.
pub fn compact(value: &RawValue) -> String {
    // Only indentation breaks lines: JSON strings escape newlines.
    let lines = value.get().lines().map(str::trim_start);
    let mut text = String::new();
    for line in lines {
        if text.ends_with(',') {
            text.push(' ');
        }
        text.push_str(line);
    }
    text
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
        write!(
            f,
            "{}: {} -> {}",
            self.path,
            shown(&self.old),
            shown(&self.new)
        )
    }
}
