//! The fields of a config as environment variables and JSON, for the child processes of a stage.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::format::Opaque;
use super::{Chosen, Omitted};
use crate::config::{ConfigJson, DRefId, StoredValue};
use crate::{Error, ErrorKind, Result};

/// The names of the variables with their values; `None` for a variable that is not set.
pub(super) type Variables = Vec<(String, Option<OsString>)>;

/// The config of a build, with the folders that its paths refer to.
pub(super) struct Fields<'a> {
    pub(super) json: &'a ConfigJson,
    /// The fields that the config's JSON omits.
    pub(super) omitted: &'a Omitted,
    pub(super) out: &'a Path,
    pub(super) chosen: &'a Chosen,
}

impl Fields<'_> {
    /// Returns a variable for each field: paths for promises and dependencies, values for other fields.
    pub(super) fn variables(&self) -> Result<Variables> {
        let mut variables = Variables::new();
        self.for_each_field(&mut |key, value| {
            // No system supports variables with these names.
            if !key.is_empty() && !key.contains(['=', '\0']) {
                variables.push((key.to_owned(), self.text_of(value)?));
            }
            Ok(())
        })?;
        Ok(variables)
    }

    /// Returns the text of the variable of one field; `None` if there is no such field. The length is not limited.
    pub(super) fn variable(&self, key: &str) -> Result<Option<OsString>> {
        let mut found = None;
        self.for_each_field(&mut |name, value| {
            if name == key {
                found = Some(self.text_of(value)?.unwrap_or_default());
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns all fields as a JSON object, with paths for promises and dependencies.
    pub(super) fn as_json(&self) -> Result<Value> {
        let mut fields = Map::new();
        self.for_each_field(&mut |key, value| {
            fields.insert(key.to_owned(), self.json_of(value)?);
            Ok(())
        })?;
        Ok(Value::Object(fields))
    }

    /// Calls `take` for each field, including omitted ones.
    fn for_each_field(
        &self,
        take: &mut dyn FnMut(&str, &StoredValue<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut fields = self.json.fields()?;
        let keys: Vec<_> = self.json.fields()?.rest().map(Cow::into_owned).collect();
        for key in &keys {
            if let Some(raw) = fields.take(key) {
                take(key, &StoredValue::new(key, raw))?;
            }
        }
        for (key, value) in self.omitted {
            // A JSON value always has a valid text.
            if let Ok(raw) = RawValue::from_string(value.to_string()) {
                take(key, &StoredValue::new(key, &raw))?;
            }
        }
        Ok(())
    }

    /// Returns the text for a value; `None` for `null`.
    fn text_of(&self, value: &StoredValue<'_>) -> Result<Option<OsString>> {
        if value.is_null() {
            return Ok(None);
        }
        if let Ok(path) = value.selfref() {
            return Ok(Some(self.out.join(path).into()));
        }
        if let Some(paths) = self.paths_of(value) {
            return Ok(Some(paths.join(OsStr::new("\n"))));
        }
        Ok(Some(match value.plain::<String>() {
            Ok(text) => text.into(),
            Err(_) => compact(value.raw().get()).into(),
        }))
    }

    /// Returns the JSON for a value.
    fn json_of(&self, value: &StoredValue<'_>) -> Result<Value> {
        if let Ok(path) = value.selfref() {
            return text_of_path(&self.out.join(path));
        }
        if let Some(paths) = self.paths_of_one(value) {
            return one_or_all(&paths);
        }
        if let Ok(items) = value.list() {
            let items = items.iter().map(|item| self.json_of(item));
            return Ok(Value::Array(items.collect::<Result<_>>()?));
        }
        if let Ok(entries) = value.map() {
            let entries = entries
                .iter()
                .map(|(key, value)| Ok((key.to_string(), self.json_of(value)?)));
            return Ok(Value::Object(entries.collect::<Result<_>>()?));
        }
        value.plain()
    }

    /// Returns the paths for a dependency, or a list or a map of dependencies; `None` for other values.
    fn paths_of(&self, value: &StoredValue<'_>) -> Option<Vec<OsString>> {
        if let Some(paths) = self.paths_of_one(value) {
            return Some(paths);
        }
        if let Ok(items) = value.list() {
            let paths: Vec<_> = items
                .iter()
                .filter(|item| !item.is_null())
                .map(|item| self.paths_of(item))
                .collect::<Option<_>>()?;
            return (!items.is_empty()).then(|| paths.concat());
        }
        let entries = value.map().ok()?;
        let mut lines = Vec::new();
        for (key, value) in &entries {
            let paths = self.paths_of(value)?;
            lines.extend(paths.iter().map(|path| {
                let mut line = OsString::from(format!("{key}="));
                line.push(path);
                line
            }));
        }
        (!entries.is_empty()).then_some(lines)
    }

    /// Returns the paths for one dependency, or an artifact of one; `None` for other values.
    fn paths_of_one(&self, value: &StoredValue<'_>) -> Option<Vec<OsString>> {
        if let Ok(dref) = value.dref() {
            return Some(self.paths_below(&dref, ""));
        }
        let (dref, path) = value.refpath().ok()?;
        // A list that holds only references is a list of dependencies, not a path.
        let is_artifact =
            |items: &[StoredValue<'_>]| items.iter().skip(1).any(|item| item.dref().is_err());
        let items = value.list().ok()?;
        is_artifact(&items).then(|| self.paths_below(&dref, &path))
    }

    /// Returns the path of `path` inside each realization chosen for `dref`.
    fn paths_below(&self, dref: &DRefId, path: &str) -> Vec<OsString> {
        let chosen = self.chosen.of(dref).iter();
        chosen
            .map(|rref| match path {
                "" => rref.path().into(),
                path => rref.artifact::<Opaque>(path).path().into(),
            })
            .collect()
    }
}

/// Returns one path as a JSON string, several as a list.
fn one_or_all(paths: &[OsString]) -> Result<Value> {
    match paths {
        [path] => text_of_path(Path::new(path)),
        paths => {
            let paths = paths.iter().map(|path| text_of_path(Path::new(path)));
            Ok(Value::Array(paths.collect::<Result<_>>()?))
        }
    }
}

fn text_of_path(path: &Path) -> Result<Value> {
    let text = path.to_str().ok_or_else(|| {
        let message = format!(
            "the path {} is not UTF-8, which JSON requires",
            path.display()
        );
        Error::new(ErrorKind::Stage, message)
            .at(path)
            .with_help("use a store whose path is UTF-8")
    })?;
    Ok(Value::String(text.to_owned()))
}

/// Removes the whitespace between the tokens of a JSON text.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|&c| {
            if in_string {
                in_string = escaped || c != '"';
                escaped = c == '\\' && !escaped;
                return true;
            }
            in_string = c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}
