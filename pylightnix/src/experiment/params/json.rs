//! Files of parameters in JSON. Raw values are parts of the text, which tells their lines.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::fmt;

use super::document::{Entry, Item, Misread, Table, line_at};

/// Parses a file, which has to be an object.
pub(super) fn read(text: &str) -> Result<Table, Misread> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| Misread {
        line: error.line(),
        what: invalid(&error),
    })?;
    if !whole.get().starts_with('{') {
        return Err(Misread {
            line: 1,
            what: "the file has to be an object, `{ .. }`".to_owned(),
        });
    }
    table(text, whole)
}

/// An object, with the text of its values.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let (mut pairs, mut seen) = (Vec::new(), HashSet::new());
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("the key `{key}` is there twice")));
                    }
                    pairs.push((key, value));
                }
                Ok(Object(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

fn table(text: &str, raw: &RawValue) -> Result<Table, Misread> {
    let begin = line_of(text, raw);
    let object: Object<'_> = serde_json::from_str(raw.get()).map_err(|error| Misread {
        line: begin + error.line().saturating_sub(1),
        what: invalid(&error),
    })?;
    let entries = object.0.into_iter().map(|(key, raw)| {
        let line = line_of(text, raw);
        let item = match raw.get().starts_with('{') {
            true => Item::Table(table(text, raw)?),
            false => Item::Value(serde_json::from_str(raw.get()).map_err(|error| Misread {
                line: line + error.line().saturating_sub(1),
                what: invalid(&error),
            })?),
        };
        Ok(Entry { key, line, item })
    });
    Ok(Table(entries.collect::<Result<_, _>>()?))
}

/// Returns the line in which a value begins: its text is a part of the whole.
fn line_of(text: &str, raw: &RawValue) -> usize {
    let byte = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    line_at(text, byte)
}

/// Returns what an error says without its line, which may count from the beginning of a part.
fn invalid(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(&text[..], |(what, _)| what);
    format!("not valid JSON: {what}")
}
