//! Reading a config field by field, as generated code does.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::borrow::Cow;

use super::fault::{push_key, shown};
use super::misfit::path_of;
use super::raw::{Object, Sort, Text, reason};
use super::{ConfigJson, DRefId, Name};
use crate::{Error, ErrorKind, Result};

/// The fields of a config that are still to be read.
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
pub struct Fields<'a> {
    name: &'a Name,
    /// In order, without `name`; those that were taken have no value left.
    entries: Vec<(Cow<'a, str>, Option<&'a RawValue>)>,
    /// After the last one that was taken: fields are mostly taken in order.
    next: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn of(config: &'a ConfigJson) -> Result<Self> {
        let Object(entries) = serde_json::from_str(config.text()).map_err(|error| {
            Error::new(
                ErrorKind::Config,
                format!("the config of {} is no object", config.id()),
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

    /// The config's name.
    pub fn name(&self) -> &Name {
        self.name
    }

    /// Takes the value of the field `key`, unless there is none or it was taken. `name` is no field.
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

    /// The keys that were not taken, in order, without `name`.
    pub fn rest(self) -> impl Iterator<Item = Cow<'a, str>> {
        self.entries
            .into_iter()
            .filter(|(_, value)| value.is_some())
            .map(|(key, _)| key)
    }
}

/// A value of a stored config, with its path for errors.
///
/// # Errors
/// Each way to read it fails on a value of another form, saying which field, what was wanted and what is there.
#[derive(Clone, Debug)]
pub struct StoredValue<'a> {
    path: Cow<'a, str>,
    raw: &'a RawValue,
}

impl<'a> StoredValue<'a> {
    /// The value `raw` of the field `key`.
    pub fn new(key: &'a str, raw: &'a RawValue) -> Self {
        StoredValue {
            path: Cow::Borrowed(key),
            raw,
        }
    }

    /// Where it is in its config, as in `runs[2]`.
    pub fn path(&self) -> &str {
        shown(&self.path)
    }

    /// Its JSON text.
    pub fn raw(&self) -> &'a RawValue {
        self.raw
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        Sort::of(self.raw) == Sort::Null
    }

    /// A plain value.
    ///
    /// # Errors
    /// A value that is no `T`.
    pub fn plain<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.raw.get()).map_err(|error| {
            let path = path_of(self.path(), self.raw, &error);
            misfit(&path, &format!("does not fit its type: {}", reason(&error)))
        })
    }

    /// A dependency, `"dref:.."`.
    ///
    /// # Errors
    /// Anything else.
    pub fn dref(&self) -> Result<DRefId> {
        let Text(text) = self.part(Sort::String, "the reference of a derivation")?;
        text.parse().map_err(|error: Error| {
            self.misfit("is no reference of a derivation".to_owned())
                .because(error)
        })
    }

    /// An artifact of a dependency, `["dref:..", "a", "b"]`: the dependency and the path `a/b`.
    ///
    /// # Errors
    /// Anything else.
    pub fn refpath(&self) -> Result<(DRefId, String)> {
        let wanted = "a list of the reference of a derivation and the parts of a path";
        let parts: Vec<Text<'a>> = self.part(Sort::List, wanted)?;
        let Some((Text(first), path)) = parts.split_first() else {
            return Err(self.misfit(format!("is an empty list, and not {wanted}")));
        };
        let id = first
            .parse()
            .map_err(|error: Error| self.misfit(format!("is not {wanted}")).because(error))?;
        Ok((id, joined(path)))
    }

    /// A promise, `["__self__", "a", "b"]`: the path `a/b`.
    ///
    /// # Errors
    /// Anything else.
    pub fn selfref(&self) -> Result<String> {
        let wanted = "a list of \"__self__\" and the parts of a path";
        let parts: Vec<Text<'a>> = self.part(Sort::List, wanted)?;
        match parts.split_first() {
            Some((Text(first), path)) if first == "__self__" => Ok(joined(path)),
            _ => Err(self.misfit(format!("is not {wanted}"))),
        }
    }

    /// The items of a list.
    ///
    /// # Errors
    /// A value that is no list.
    pub fn list(&self) -> Result<Vec<StoredValue<'a>>> {
        let items: Vec<&'a RawValue> = self.part(Sort::List, "a list")?;
        Ok(items
            .into_iter()
            .enumerate()
            .map(|(index, raw)| StoredValue {
                path: Cow::Owned(format!("{}[{index}]", self.path)),
                raw,
            })
            .collect())
    }

    /// The entries of an object, in order.
    ///
    /// # Errors
    /// A value that is no object.
    pub fn map(&self) -> Result<Vec<(Cow<'a, str>, StoredValue<'a>)>> {
        let Object(entries) = self.part(Sort::Object, "an object")?;
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

    /// Its one level as a `T`, if it is of the sort that has such.
    fn part<T: serde::Deserialize<'a>>(&self, sort: Sort, wanted: &str) -> Result<T> {
        let found = Sort::of(self.raw);
        if found != sort {
            return Err(self.misfit(format!("is {}, and not {wanted}", found.noun())));
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
    .help("the config was made by another version of its struct, or by another program: read it with the type that made it")
}

/// A path of these parts.
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
