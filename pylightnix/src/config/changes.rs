//! What differs between two configs.

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

use super::dotted::{Step, joined, same};
use super::raw::{Object, Sort};
use super::{ConfigJson, DRefId};
use crate::{Error, ErrorKind, Result};

/// A place at which two configs differ.
///
/// Serialized, the values are values and no texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldChange {
    /// Where, as in `lr.schedule[3].rate`.
    pub path: String,
    /// The JSON text of the first one's value; `None` if it has none there.
    #[serde(serialize_with = "as_value")]
    pub old: Option<String>,
    /// The JSON text of the other one's.
    #[serde(serialize_with = "as_value")]
    pub new: Option<String>,
}

impl ConfigJson {
    /// Where this config and another differ, in the order of this one's fields, `name` included, with what only the other
    /// has after that. Objects are compared key by key and lists item by item.
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

    /// Where a reference to `dref` stands in it first, as in `models[2]`.
    pub(crate) fn place_of(&self, dref: &DRefId) -> Option<String> {
        let mut waiting = vec![(String::new(), self.raw().ok()?)];
        while let Some((path, value)) = waiting.pop() {
            if reference_in(value.get()).is_some_and(|found| found == *dref) {
                return Some(path);
            }
            let parts = inside(value).unwrap_or_default();
            let below = parts.iter().rev();
            waiting.extend(below.map(|(step, value)| (joined(&path, step), *value)));
        }
        None
    }

    /// All of it as one value.
    #[doc(hidden)]
    pub fn raw(&self) -> Result<&RawValue> {
        serde_json::from_str(self.text()).map_err(|error| {
            let message = format!("the config of {} is no JSON", self.id());
            Error::new(ErrorKind::Config, message).because(error)
        })
    }
}

/// The derivation that a JSON text is a reference to, if it is one.
pub(crate) fn reference_in(text: &str) -> Option<DRefId> {
    // Most values are none.
    let text = text.strip_prefix("\"dref:")?.strip_suffix('"')?;
    format!("dref:{text}").parse().ok()
}

/// The value that a JSON text stands for.
fn as_value<S: Serializer>(text: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    let value = |text: &String| serde_json::from_str::<Value>(text).ok();
    text.as_ref().and_then(value).serialize(to)
}

/// Configs are at most 128 levels deep.
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
        if Sort::of(one) == Sort::of(other)
            && let (Some(one), Some(other)) = (inside(one), inside(other))
        {
            let mut left: HashMap<&Step, &RawValue> =
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

/// The parts of a list or an object.
pub(super) fn inside(value: &RawValue) -> Option<Vec<(Step, &RawValue)>> {
    let parts: Vec<(Step, &RawValue)> = match Sort::of(value) {
        Sort::Object => {
            let Object(entries) = serde_json::from_str(value.get()).ok()?;
            let entries = entries.into_iter();
            entries
                .map(|(key, value)| (Step::Key(key.into_owned()), value))
                .collect()
        }
        Sort::List => {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            let items = items.into_iter().enumerate();
            items.map(|(at, value)| (Step::Index(at), value)).collect()
        }
        _ => return None,
    };
    Some(parts)
}

/// The names or numbers of the parts of a list or an object.
pub(crate) fn names_inside(value: &RawValue) -> Option<Vec<String>> {
    let name = |(step, _)| match step {
        Step::Key(key) => key,
        Step::Index(at) => at.to_string(),
    };
    Some(inside(value)?.into_iter().map(name).collect())
}

/// The entries of an object; `None` if it is none.
pub(crate) fn object_parts(value: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    if Sort::of(value) != Sort::Object {
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

/// On one line.
pub fn compact(value: &RawValue) -> String {
    // Indentation ends lines, and no string has a line's end in it.
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
