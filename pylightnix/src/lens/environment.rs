//! A config as environment variables, for the child processes of a stage.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Chosen, Omitted};
use crate::config::{ConfigJson, DRefId, StoredValue};
use crate::{Error, ErrorKind, Result};

/// The variables, each with its value, or with none if it is not to be set.
pub(super) type Variables = Vec<(String, Option<OsString>)>;

/// The fields of a config, by their keys: promises and dependencies as paths, all else as its value. `more` are the
/// fields that the config leaves out.
pub(super) fn of_config(
    json: &ConfigJson,
    more: &Omitted,
    out: &Path,
    chosen: &Chosen,
) -> Result<Variables> {
    let place = Place { out, chosen };
    let mut variables = Variables::new();
    let mut add = |key: &str, raw: &RawValue| -> Result<()> {
        // No system has variables of such names.
        if key.is_empty() || key.contains(['=', '\0']) {
            return Ok(());
        }
        variables.push((key.to_owned(), place.text_of(&StoredValue::new(key, raw))?));
        Ok(())
    };
    each_field(json, more, &mut add)?;
    Ok(variables)
}

/// What the variable of one field holds; nothing if there is no such field. No value is too long for it.
pub(super) fn of_field(
    json: &ConfigJson,
    more: &Omitted,
    out: &Path,
    chosen: &Chosen,
    key: &str,
) -> Result<Option<OsString>> {
    let place = Place { out, chosen };
    let mut found = None;
    each_field(json, more, &mut |name, raw| {
        if name == key {
            let text = place.text_of(&StoredValue::new(name, raw))?;
            found = Some(text.unwrap_or_default());
        }
        Ok(())
    })?;
    Ok(found)
}

/// All fields, by their keys, with promises and dependencies as paths.
pub(super) fn as_json(
    json: &ConfigJson,
    more: &Omitted,
    out: &Path,
    chosen: &Chosen,
) -> Result<Value> {
    let place = Place { out, chosen };
    let mut fields = Map::new();
    each_field(json, more, &mut |key, raw| {
        let value = place.json_of(&StoredValue::new(key, raw))?;
        fields.insert(key.to_owned(), value);
        Ok(())
    })?;
    Ok(Value::Object(fields))
}

fn each_field(
    json: &ConfigJson,
    more: &Omitted,
    take: &mut dyn FnMut(&str, &RawValue) -> Result<()>,
) -> Result<()> {
    let mut fields = json.fields()?;
    let keys: Vec<_> = json.fields()?.rest().map(Cow::into_owned).collect();
    for key in &keys {
        if let Some(raw) = fields.take(key) {
            take(key, raw)?;
        }
    }
    for (key, value) in more {
        // The text of a value that was read from text is JSON.
        if let Ok(raw) = RawValue::from_string(value.to_string()) {
            take(key, &raw)?;
        }
    }
    Ok(())
}

/// Where the paths lead.
struct Place<'a> {
    out: &'a Path,
    chosen: &'a Chosen,
}

impl Place<'_> {
    /// A value as text; none for `null`.
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

    /// A value as JSON.
    fn json_of(&self, value: &StoredValue<'_>) -> Result<Value> {
        if let Ok(path) = value.selfref() {
            return text_of_path(&self.out.join(path));
        }
        if let Ok(dref) = value.dref() {
            return one_or_all(&self.paths_below(&dref, ""));
        }
        if let Ok(items) = value.list() {
            if let Ok((dref, path)) = value.refpath()
                && items.iter().skip(1).any(|item| item.dref().is_err())
            {
                return one_or_all(&self.paths_below(&dref, &path));
            }
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

    /// The paths of a dependency, or of a list or a map of them.
    fn paths_of(&self, value: &StoredValue<'_>) -> Option<Vec<OsString>> {
        if let Ok(dref) = value.dref() {
            return Some(self.paths_below(&dref, ""));
        }
        if let Ok(items) = value.list() {
            if let Ok((dref, path)) = value.refpath()
                && items.iter().skip(1).any(|item| item.dref().is_err())
            {
                return Some(self.paths_below(&dref, &path));
            }
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

    fn paths_below(&self, dref: &DRefId, path: &str) -> Vec<OsString> {
        let chosen = self.chosen.of(dref).iter();
        chosen
            .map(|rref| match path {
                "" => rref.path().into(),
                path => rref.path().join(path).into(),
            })
            .collect()
    }
}

/// The path of what one matcher chose, or a list of paths if it chose several.
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
        let message = format!("the path {} is not UTF-8, as JSON must be", path.display());
        Error::new(ErrorKind::Stage, message)
            .at(path)
            .help("use a store whose path is UTF-8")
    })?;
    Ok(Value::String(text.to_owned()))
}

/// JSON without the space between its parts.
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
