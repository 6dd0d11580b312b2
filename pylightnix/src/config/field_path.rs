//! Paths of fields in JSON values, written as errors show them: `lr.schedule[3].rate`.

use serde_json::value::RawValue;
use std::fmt;

use super::raw::{JsonType, Object, Text, reason};
use super::value_error::{push_key, shown};
use crate::{Error, ErrorKind, Result};

/// A path in a JSON value: keys joined by dots, `[3]` or `.3` for an item of a list, `["a key"]` for a key that is not a
/// plain word. An empty path is the whole value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldPath(Vec<PathStep>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PathStep {
    /// A key of an object; a number may also be an index of a list.
    Key(String),
    /// An index of a list.
    Index(usize),
}

impl FieldPath {
    /// Parses a path.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let fault = |reason: &str| {
            Error::new(ErrorKind::Reference, format!("{text:?} is not a valid path: {reason}"))
                .with_help("write the names with dots between them, as in `lr.schedule[3].rate` or `table[\"a key\"]`")
        };
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (step, after) = bracket(inside)
                    .ok_or_else(|| fault("`[..]` holds neither an index nor a quoted key"))?;
                steps.push(step);
                rest = after;
                continue;
            }
            let name = match steps.is_empty() {
                true => rest,
                false => rest
                    .strip_prefix('.')
                    .ok_or_else(|| fault("a `.` or `[` must follow `]`"))?,
            };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return Err(fault("a name is missing"));
            }
            steps.push(PathStep::Key(name[..end].to_owned()));
            rest = &name[end..];
        }
        match steps.is_empty() {
            true => Err(fault("it is empty")),
            false => Ok(FieldPath(steps)),
        }
    }

    pub(crate) fn steps(&self) -> &[PathStep] {
        &self.0
    }

    /// Returns whether `value` has a part at the first step.
    pub(crate) fn begins_in(&self, value: &RawValue) -> bool {
        self.0.first().is_some_and(|step| step.take(value).is_ok())
    }

    /// Returns the part of `value` at this path; `None` if there is none.
    pub(crate) fn find<'a>(&self, value: &'a RawValue) -> Option<&'a RawValue> {
        self.0
            .iter()
            .try_fold(value, |value, step| step.take(value).ok())
    }
}

/// Writes the path in the form that `parse` reads.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self
            .0
            .iter()
            .fold(String::new(), |path, step| joined(&path, step));
        f.write_str(&path)
    }
}

impl PathStep {
    /// Returns the part of `value` at this step. The error text says what `value` has instead.
    pub(crate) fn take<'a>(&self, value: &'a RawValue) -> Result<&'a RawValue, String> {
        match JsonType::of(value) {
            JsonType::Object => {
                let Object(entries) = parse(value)?;
                let key = match self {
                    PathStep::Key(key) => key,
                    PathStep::Index(_) => return Err("it is an object, not a list".to_owned()),
                };
                match entries.iter().find(|(name, _)| name == key) {
                    Some((_, value)) => Ok(value),
                    None => Err(list_names(entries.iter().map(|(name, _)| name.as_ref()))),
                }
            }
            JsonType::List => {
                let items: Vec<&RawValue> = parse(value)?;
                let item = self.index().and_then(|at| items.get(at).copied());
                item.ok_or_else(|| format!("it is a list of {} items, counted from 0", items.len()))
            }
            json_type => Err(format!("it is {}, which has no parts", json_type.noun())),
        }
    }

    /// Returns the index of a list that this step stands for, if any.
    pub(crate) fn index(&self) -> Option<usize> {
        match self {
            PathStep::Key(key) => key.parse().ok(),
            PathStep::Index(at) => Some(*at),
        }
    }
}

/// Parses the text after `[`. Returns the step and the text after `]`.
fn bracket(inside: &str) -> Option<(PathStep, &str)> {
    if !inside.starts_with('"') {
        let (digits, rest) = inside.split_once(']')?;
        return Some((PathStep::Index(digits.parse().ok()?), rest));
    }
    let mut strings = serde_json::Deserializer::from_str(inside).into_iter::<String>();
    let key = strings.next()?.ok()?;
    let rest = inside.get(strings.byte_offset()..)?;
    Some((PathStep::Key(key), rest.strip_prefix(']')?))
}

/// Parses the outer level of a value.
fn parse<'a, T: serde::Deserialize<'a>>(value: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(value.get()).map_err(|error| reason(&error))
}

/// Lists the valid names for an error message about an unknown name.
pub(crate) fn list_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 20;
    let names: Vec<_> = names.collect();
    let listed: Vec<_> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    match (names.len(), names.len().saturating_sub(SHOWN)) {
        (0, _) => "it is empty".to_owned(),
        (_, 0) => format!("there is {}", listed.join(", ")),
        (_, more) => format!("there is {} and {more} more", listed.join(", ")),
    }
}

/// Returns whether two JSON values are equal: numbers by value, so that `500` equals `500.0`; objects in any order of keys.
pub(crate) fn same(one: &RawValue, other: &RawValue) -> bool {
    let json_type = JsonType::of(one);
    if one.get() == other.get() {
        return true;
    }
    if json_type != JsonType::of(other) {
        return false;
    }
    let text = |raw: &RawValue| parse::<Text<'_>>(raw).map(|Text(text)| text.into_owned());
    match json_type {
        JsonType::Null | JsonType::Bool => false,
        JsonType::Number => {
            let is_whole = |raw: &RawValue| !raw.get().contains(['.', 'e', 'E']);
            // Different large integers may round to the same float.
            if is_whole(one) && is_whole(other) {
                return false;
            }
            let value = |raw: &RawValue| raw.get().parse::<f64>().ok();
            value(one).is_some() && value(one) == value(other)
        }
        JsonType::String => text(one).is_ok() && text(one) == text(other),
        JsonType::List => match (parse::<Vec<&RawValue>>(one), parse::<Vec<&RawValue>>(other)) {
            (Ok(one), Ok(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
            }
            _ => false,
        },
        JsonType::Object => match (parse::<Object<'_>>(one), parse::<Object<'_>>(other)) {
            (Ok(Object(mut one)), Ok(Object(mut other))) => {
                one.sort_by(|a, b| a.0.cmp(&b.0));
                other.sort_by(|a, b| a.0.cmp(&b.0));
                one.len() == other.len()
                    && one
                        .iter()
                        .zip(&other)
                        .all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
            }
            _ => false,
        },
    }
}

/// Returns `path` with `step` appended, in the form that `FieldPath::parse` reads.
pub(crate) fn joined(path: &str, step: &PathStep) -> String {
    let mut path = match path {
        "" => String::new(),
        path if path.starts_with('[') => path.to_owned(),
        path => format!(".{path}"),
    };
    match step {
        PathStep::Key(key) => push_key(&mut path, key),
        PathStep::Index(at) => path.push_str(&format!("[{at}]")),
    }
    shown(&path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_shown() {
        let key = |key: &str| PathStep::Key(key.to_owned());
        let good: [(&str, Vec<PathStep>); 5] = [
            ("rate", vec![key("rate")]),
            (
                "lr.schedule[3].rate",
                vec![key("lr"), key("schedule"), PathStep::Index(3), key("rate")],
            ),
            ("layers.0", vec![key("layers"), key("0")]),
            (
                "table[\"a ]key\"][1]",
                vec![key("table"), key("a ]key"), PathStep::Index(1)],
            ),
            ("[\"a.b\"].c", vec![key("a.b"), key("c")]),
        ];
        for (text, steps) in good {
            assert_eq!(FieldPath::parse(text).unwrap().steps(), steps, "{text}");
            let again = steps
                .iter()
                .fold(String::new(), |path, step| joined(&path, step));
            assert_eq!(FieldPath::parse(&again).unwrap().steps(), steps, "{again}");
        }
        for text in [
            "", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[1", "a[-1]", "[1]b", "a[\"b]",
        ] {
            assert!(FieldPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_compared_by_what_they_say() {
        let says_same = |one: &str, other: &str| {
            let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
            same(&raw(one), &raw(other))
        };
        for (one, other) in [
            ("500", "500.0"),
            ("1e-5", "0.00001"),
            ("\"\\u00e9\"", "\"é\""),
            ("[1, 2.0]", "[1.0,2]"),
            ("{\"a\": 1, \"b\": null}", "{\"b\":null,\"a\":1}"),
        ] {
            assert!(says_same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("500", "501"),
            ("9007199254740993", "9007199254740992"),
            ("1", "\"1\""),
            ("true", "false"),
            ("[1]", "[1, 2]"),
            ("{\"a\": 1}", "{\"a\": 2}"),
            ("{\"a\": 1}", "{\"b\": 1}"),
        ] {
            assert!(!says_same(one, other), "{one} {other}");
        }
    }
}
