//! A config as environment variables, for the child processes of a stage.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde_json::value::RawValue;

use super::{Chosen, Omitted};
use crate::Result;
use crate::config::{ConfigJson, DRefId, StoredValue};

/// Longer values are left out: Linux starts no program with one of 128 KiB or more.
const LONGEST: usize = 120 << 10;

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
        let value = place.text_of(&StoredValue::new(key, raw))?;
        variables.push((
            key.to_owned(),
            value.filter(|text| text.len() + key.len() < LONGEST),
        ));
        Ok(())
    };
    let mut fields = json.fields()?;
    let keys: Vec<_> = json.fields()?.rest().map(Cow::into_owned).collect();
    for key in &keys {
        if let Some(raw) = fields.take(key) {
            add(key, raw)?;
        }
    }
    for (key, value) in more {
        // The text of a value that was read from text is JSON.
        if let Ok(raw) = RawValue::from_string(value.to_string()) {
            add(key, &raw)?;
        }
    }
    Ok(variables)
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
