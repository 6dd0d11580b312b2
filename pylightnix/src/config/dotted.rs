//! Ways into JSON values, written as errors show them: `lr.schedule[3].rate`.

use serde_json::value::RawValue;
use std::fmt;

use super::fault::{push_key, shown};
use super::raw::{Object, Sort, Text, reason};
use crate::{Error, ErrorKind, Result};

/// A way into a JSON value: names joined by dots, `[3]` or `.3` for an item of a list, `["a key"]` for a name that is no
/// plain word. Without steps, the whole value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dotted(Vec<Step>);

/// One step of a way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// To the value of a key; into a list, if it is a number.
    Key(String),
    /// To an item of a list.
    Index(usize),
}

impl Dotted {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let fault = |why: &str| {
            Error::new(ErrorKind::Reference, format!("{text:?} is no path: {why}"))
                .help("a path is names with dots between them, as in `lr.schedule[3].rate` or `table[\"a key\"]`")
        };
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (step, after) =
                    bracket(inside).ok_or_else(|| fault("what is in `[..]` is no item"))?;
                steps.push(step);
                rest = after;
                continue;
            }
            let name = match steps.is_empty() {
                true => rest,
                false => rest
                    .strip_prefix('.')
                    .ok_or_else(|| fault("`]` is followed by no `.`"))?,
            };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return Err(fault("a name is missing"));
            }
            steps.push(Step::Key(name[..end].to_owned()));
            rest = &name[end..];
        }
        match steps.is_empty() {
            true => Err(fault("it is empty")),
            false => Ok(Dotted(steps)),
        }
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether its first step leads somewhere.
    pub(crate) fn begins_in(&self, value: &RawValue) -> bool {
        self.0.first().is_some_and(|step| step.take(value).is_ok())
    }

    /// The value that the way leads to; `None` if it leads nowhere.
    pub(crate) fn find<'a>(&self, value: &'a RawValue) -> Option<&'a RawValue> {
        self.0
            .iter()
            .try_fold(value, |value, step| step.take(value).ok())
    }
}

/// As errors show it.
impl fmt::Display for Dotted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self
            .0
            .iter()
            .fold(String::new(), |path, step| joined(&path, step));
        f.write_str(&path)
    }
}

impl Step {
    /// The value that this step leads to, or what there is instead.
    pub(crate) fn take<'a>(&self, value: &'a RawValue) -> Result<&'a RawValue, String> {
        match Sort::of(value) {
            Sort::Object => {
                let Object(entries) = parse(value)?;
                let key = match self {
                    Step::Key(key) => key,
                    Step::Index(_) => return Err("it is an object, and no list".to_owned()),
                };
                match entries.iter().find(|(name, _)| name == key) {
                    Some((_, value)) => Ok(value),
                    None => Err(there_is(entries.iter().map(|(name, _)| name.as_ref()))),
                }
            }
            Sort::List => {
                let items: Vec<&RawValue> = parse(value)?;
                let item = self.index().and_then(|at| items.get(at).copied());
                item.ok_or_else(|| format!("it is a list of {} items, from 0 on", items.len()))
            }
            sort => Err(format!("it is {}, with nothing inside", sort.noun())),
        }
    }

    pub(crate) fn index(&self) -> Option<usize> {
        match self {
            Step::Key(key) => key.parse().ok(),
            Step::Index(at) => Some(*at),
        }
    }
}

/// What follows `[`: the step, and what follows `]`.
fn bracket(inside: &str) -> Option<(Step, &str)> {
    if !inside.starts_with('"') {
        let (digits, rest) = inside.split_once(']')?;
        return Some((Step::Index(digits.parse().ok()?), rest));
    }
    let mut strings = serde_json::Deserializer::from_str(inside).into_iter::<String>();
    let key = strings.next()?.ok()?;
    let rest = inside.get(strings.byte_offset()..)?;
    Some((Step::Key(key), rest.strip_prefix(']')?))
}

/// One level of a value.
fn parse<'a, T: serde::Deserialize<'a>>(value: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(value.get()).map_err(|error| reason(&error))
}

/// Names, for a person who gave another.
pub fn there_is<'a>(names: impl Iterator<Item = &'a str>) -> String {
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

/// Whether two JSON texts say the same: numbers by their values, so that `500` is `500.0`; objects in any order.
pub(crate) fn same(one: &RawValue, other: &RawValue) -> bool {
    let sort = Sort::of(one);
    if one.get() == other.get() {
        return true;
    }
    if sort != Sort::of(other) {
        return false;
    }
    let text = |raw: &RawValue| parse::<Text<'_>>(raw).map(|Text(text)| text.into_owned());
    match sort {
        Sort::Null | Sort::Bool => false,
        Sort::Number => {
            let is_whole = |raw: &RawValue| !raw.get().contains(['.', 'e', 'E']);
            // As floats, whole numbers that differ may be the same.
            if is_whole(one) && is_whole(other) {
                return false;
            }
            let value = |raw: &RawValue| raw.get().parse::<f64>().ok();
            value(one).is_some() && value(one) == value(other)
        }
        Sort::String => text(one).is_ok() && text(one) == text(other),
        Sort::List => match (parse::<Vec<&RawValue>>(one), parse::<Vec<&RawValue>>(other)) {
            (Ok(one), Ok(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
            }
            _ => false,
        },
        Sort::Object => match (parse::<Object<'_>>(one), parse::<Object<'_>>(other)) {
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

/// A path as errors show it.
pub(crate) fn joined(path: &str, step: &Step) -> String {
    let mut path = match path {
        "" => String::new(),
        path if path.starts_with('[') => path.to_owned(),
        path => format!(".{path}"),
    };
    match step {
        Step::Key(key) => push_key(&mut path, key),
        Step::Index(at) => path.push_str(&format!("[{at}]")),
    }
    shown(&path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_shown() {
        let key = |key: &str| Step::Key(key.to_owned());
        let good: [(&str, Vec<Step>); 5] = [
            ("rate", vec![key("rate")]),
            (
                "lr.schedule[3].rate",
                vec![key("lr"), key("schedule"), Step::Index(3), key("rate")],
            ),
            ("layers.0", vec![key("layers"), key("0")]),
            (
                "table[\"a ]key\"][1]",
                vec![key("table"), key("a ]key"), Step::Index(1)],
            ),
            ("[\"a.b\"].c", vec![key("a.b"), key("c")]),
        ];
        for (text, steps) in good {
            assert_eq!(Dotted::parse(text).unwrap().steps(), steps, "{text}");
            let again = steps
                .iter()
                .fold(String::new(), |path, step| joined(&path, step));
            assert_eq!(Dotted::parse(&again).unwrap().steps(), steps, "{again}");
        }
        for text in [
            "", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[1", "a[-1]", "[1]b", "a[\"b]",
        ] {
            assert!(Dotted::parse(text).is_err(), "{text}");
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
