//! Points of a sweep over parameters, as a command line asks for them.

use serde_json::Value;
use std::collections::HashSet;

use super::given::unknown_set;
use super::{Param, ParamList, ParamSources, faults, text};
use crate::Result;

/// A point of a sweep: a value for each swept parameter.
#[derive(Clone, Debug)]
pub struct SweepPoint {
    /// What distinguishes it from the others, as in `rate=0.1,model=large`.
    pub label: String,
    /// The keys of the parameters, each with the text of its value.
    values: Vec<(String, String)>,
}

impl SweepPoint {
    /// Adds the values of the point; `by` says what sets them, for messages.
    pub fn give(&self, sources: ParamSources, by: &str) -> ParamSources {
        let values = self.values.iter();
        values.fold(sources, |sources, (key, text)| {
            sources.set_by(by, key, text)
        })
    }
}

/// Returns all combinations of the values of several parameters; the last one varies fastest. An axis is a key with its values, as in
/// `0.1,0.01`; a comma in brackets or in quotes is part of a value.
///
/// # Errors
/// There is no such parameter, a value does not fit it, or it is there twice.
pub fn sweep_points(
    list: &ParamList,
    axes: &[(String, String)],
    by: &str,
) -> Result<Vec<SweepPoint>> {
    let keys: Vec<&str> = axes.iter().map(|(key, _)| key.as_str()).collect();
    let mut points = vec![SweepPoint {
        label: String::new(),
        values: Vec::new(),
    }];
    for (at, (key, texts)) in axes.iter().enumerate() {
        if keys[..at].contains(&key.as_str()) {
            return Err(faults::sweep(by, key, "it is swept twice"));
        }
        let param = list.get(key).ok_or_else(|| unknown_set(list, by, key))?;
        let values = values(param, texts, by)?;
        let name = short(key, &keys);
        points = points
            .iter()
            .flat_map(|point| {
                values.iter().map(move |(text, shown)| {
                    let comma = if point.label.is_empty() { "" } else { "," };
                    let mut values = point.values.clone();
                    values.push((key.clone(), text.clone()));
                    SweepPoint {
                        label: format!("{}{comma}{name}={shown}", point.label),
                        values,
                    }
                })
            })
            .collect();
    }
    Ok(points)
}

/// Returns the texts of the values of an axis, each with what a label shows.
fn values(param: &Param, texts: &str, by: &str) -> Result<Vec<(String, String)>> {
    let mut seen = HashSet::new();
    let texts = split(texts).into_iter().map(|given| {
        let place = format!("{by} {}", param.key);
        let value = text::value(param, given).map_err(|error| {
            faults::misfit(place, param, &Value::String(given.to_owned()), error)
        })?;
        let shown = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match seen.insert(shown.clone()) {
            true => Ok((given.to_owned(), shown)),
            false => Err(faults::sweep(
                by,
                &param.key,
                &format!("the value {shown} is there twice"),
            )),
        }
    });
    texts.collect()
}

/// Returns the shortest end of a key that is not the end of another one.
fn short<'k>(key: &'k str, keys: &[&str]) -> &'k str {
    let dots = key.rmatch_indices('.').map(|(at, _)| &key[at + 1..]);
    let is_end = |other: &str, end: &str| {
        other
            .strip_suffix(end)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let mut ends = dots.chain([key]);
    let unique = ends.find(|end| keys.iter().filter(|other| is_end(other, end)).count() == 1);
    unique.unwrap_or(key)
}

/// Splits a text at the commas outside of brackets and quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut depth, mut quote) = (Vec::new(), 0, 0_usize, None);
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', Some('"')) => escaped = true,
            (c, Some(end)) if c == end => quote = None,
            (_, Some(_)) => {}
            // An apostrophe inside of a word is none.
            ('"' | '\'', None) if text[begin..at].trim().is_empty() || depth > 0 => quote = Some(c),
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_of_a_value_do_not_split_it() {
        assert_eq!(split("0.1, 0.01"), ["0.1", "0.01"]);
        assert_eq!(split("[64,32],[16]"), ["[64,32]", "[16]"]);
        assert_eq!(
            split("\"a,b\",'c,d',it's,e"),
            ["\"a,b\"", "'c,d'", "it's", "e"]
        );
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn labels_are_short() {
        let keys = ["train.rate", "test.rate", "model"];
        assert_eq!(short("train.rate", &keys), "train.rate");
        assert_eq!(short("model", &keys), "model");
        assert_eq!(short("train.rate", &["train.rate", "model"]), "rate");
    }
}
