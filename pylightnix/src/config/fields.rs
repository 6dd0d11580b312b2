//! Reads a config field by field, for generated code.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

use super::misfit::path_of;
use super::raw::{JsonType, Object, Text, reason};
use super::value_error::{push_key, shown};
use super::{ConfigJson, DRefId, Name};
use crate::{Error, ErrorKind, Result};

/// A reader that takes the fields of a config one by one.
///
/// ```
/// use pylightnix::config::{ConfigJson, StoredValue};
///
/// let config = ConfigJson::from_json(r#"{"name": "anneal", "maxiter": 500, "cooling": 0.9}"#)?;
/// let mut fields = config.fields()?;
/// let maxiter = fields.take("maxiter").map(|raw| StoredValue::new("maxiter", raw));
/// assert_eq!(maxiter.unwrap().plain::<u64>()?, 500);
/// assert_eq!(fields.rest().collect::<Vec<_>>(), ["cooling"]);
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[doc(hidden)]
pub struct Fields<'a> {
    name: &'a Name,
    /// The fields in order, without `name`. A field that was taken has the value `None`.
    entries: Vec<(Cow<'a, str>, Option<&'a RawValue>)>,
    /// The index after the field that was taken last, where the search begins: fields are mostly taken in order.
    next: usize,
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<'a> Fields<'a> {
    pub(super) fn of(config: &'a ConfigJson) -> Result<Self> {
        let Object(entries) = serde_json::from_str(config.json()).map_err(|error| {
            Error::new(
                ErrorKind::Config,
                format!("the config of {} is not an object", config.id()),
            )
            .because(error)
        })?;
        Ok(Fields {
            name: config.id().name(),
            entries: entries
                .into_iter()
                .filter(|(key, _)| key != "name")
                .map(|(key, value)| (key, Some(value)))
                .collect(),
            next: 0,
        })
    }

    /// Returns the name of the config.
    pub fn name(&self) -> &Name {
        self.name
    }

    /// Takes the value of the field `key`. Returns `None` if there is no such field or it was taken before. `name` is not a
    /// field.
    pub fn take(&mut self, key: &str) -> Option<&'a RawValue> {
        let (before, after) = self.entries.split_at(self.next);
        let found = |(other, _): &(Cow<'a, str>, _)| other == key;
        let at = after
            .iter()
            .position(found)
            .map(|at| at + self.next)
            .or_else(|| before.iter().position(found))?;
        self.next = at + 1;
        self.entries[at].1.take()
    }

    /// Returns the keys of the fields that were not taken, in order, without `name`.
    pub fn rest(self) -> impl Iterator<Item = Cow<'a, str>> {
        self.entries
            .into_iter()
            .filter(|(_, value)| value.is_some())
            .map(|(key, _)| key)
    }
}

/// A value of a stored config, with its path for error messages.
///
/// # Errors
/// Each method that reads the value fails if it has another form. The error names the field, the expected form and the
/// actual one.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct StoredValue<'a> {
    path: Cow<'a, str>,
    raw: &'a RawValue,
}

impl<'a> StoredValue<'a> {
    /// Wraps the value `raw` of the field `key`.
    pub fn new(key: &'a str, raw: &'a RawValue) -> Self {
        StoredValue {
            path: Cow::Borrowed(key),
            raw,
        }
    }

    /// Returns the path of the value in its config, as in `runs[2]`.
    pub fn path(&self) -> &str {
        shown(&self.path)
    }

    /// Returns the JSON text of the value.
    pub fn raw(&self) -> &'a RawValue {
        self.raw
    }

    /// Returns whether the value is `null`.
    pub fn is_null(&self) -> bool {
        JsonType::of(self.raw) == JsonType::Null
    }

    /// Deserializes a plain value.
    ///
    /// # Errors
    /// The value cannot be deserialized as a `T`.
    pub fn plain<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.raw.get()).map_err(|error| {
            let path = path_of(self.path(), self.raw, &error);
            misfit(&path, &format!("does not fit its type: {}", reason(&error)))
        })
    }

    /// Parses a dependency, `"dref:.."`.
    ///
    /// # Errors
    /// The value is not a reference of a derivation.
    pub fn dref(&self) -> Result<DRefId> {
        let Text(text) = self.part(JsonType::String, "the reference of a derivation")?;
        text.parse().map_err(|error: Error| {
            self.misfit("is not a reference of a derivation".to_owned())
                .because(error)
        })
    }

    /// Parses an artifact of a dependency, `["dref:..", "a", "b"]`. Returns the dependency and the path `a/b`.
    ///
    /// # Errors
    /// The value has another form.
    pub fn refpath(&self) -> Result<(DRefId, String)> {
        let wanted = "a list of the reference of a derivation and the parts of a path";
        let parts: Vec<Text<'a>> = self.part(JsonType::List, wanted)?;
        let Some((Text(first), path)) = parts.split_first() else {
            return Err(self.misfit(format!("is an empty list, not {wanted}")));
        };
        let id = first
            .parse()
            .map_err(|error: Error| self.misfit(format!("is not {wanted}")).because(error))?;
        Ok((id, joined(path)))
    }

    /// Parses a promise, `["__self__", "a", "b"]`. Returns the path `a/b`.
    ///
    /// # Errors
    /// The value has another form.
    pub fn selfref(&self) -> Result<String> {
        let wanted = "a list of \"__self__\" and the parts of a path";
        let parts: Vec<Text<'a>> = self.part(JsonType::List, wanted)?;
        match parts.split_first() {
            Some((Text(first), path)) if first == "__self__" => Ok(joined(path)),
            _ => Err(self.misfit(format!("is not {wanted}"))),
        }
    }

    /// Returns the items of a list.
    ///
    /// # Errors
    /// The value is not a list.
    pub fn list(&self) -> Result<Vec<StoredValue<'a>>> {
        let items: Vec<&'a RawValue> = self.part(JsonType::List, "a list")?;
        Ok(items
            .into_iter()
            .enumerate()
            .map(|(index, raw)| StoredValue {
                path: Cow::Owned(format!("{}[{index}]", self.path)),
                raw,
            })
            .collect())
    }

    /// Returns the entries of an object, in order.
    ///
    /// # Errors
    /// The value is not an object.
    pub fn map(&self) -> Result<Vec<(Cow<'a, str>, StoredValue<'a>)>> {
        let Object(entries) = self.part(JsonType::Object, "an object")?;
        Ok(entries
            .into_iter()
            .map(|(key, raw)| {
                let mut path = self.path.to_string();
                push_key(&mut path, &key);
                let path = Cow::Owned(path);
                (key, StoredValue { path, raw })
            })
            .collect())
    }

    /// Parses the outer level as a `T`. Fails if the value is not of the JSON type `json_type`.
    fn part<T: serde::Deserialize<'a>>(&self, json_type: JsonType, wanted: &str) -> Result<T> {
        let found = JsonType::of(self.raw);
        if found != json_type {
            return Err(self.misfit(format!("is {}, not {wanted}", found.noun())));
        }
        serde_json::from_str(self.raw.get())
            .map_err(|error| self.misfit(format!("is not {wanted}: {}", reason(&error))))
    }

    fn misfit(&self, problem: String) -> Error {
        misfit(self.path(), &problem)
    }
}

fn misfit(path: &str, problem: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("the field `{path}` of the stored config {problem}"),
    )
    .with_help("the config was made by another version of its struct, or by another program: read it with the type that made it")
}

/// Joins the parts of a path with `/`.
pub(super) fn joined(parts: &[Text<'_>]) -> String {
    let mut path = String::new();
    for (at, Text(part)) in parts.iter().enumerate() {
        if at > 0 {
            path.push('/');
        }
        path.push_str(part);
    }
    path
}
