//! Parses JSON texts as configs.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashSet;

use super::locate::not_json;
use super::plain::realization;
use super::raw::{JsonType, Object, Text, reason};
use super::text::CanonicalText;
use super::value_error::{ValueError, line_and_column};
use super::words::{Words, as_numbers};
use super::{ConfigJson, DRefId, Name, RRefId};
use crate::{Error, ErrorKind, Result};

/// Implements [`ConfigJson::from_json`].
pub(super) fn from_json(text: &str) -> Result<ConfigJson> {
    match as_numbers(text) {
        None => parsed(text, text, Words::default()),
        Some((source, words)) => Ok(parsed(text, &source, words)?.with_words()),
    }
}

/// Parses `source`, which is `text` with numbers in the place of `words`.
fn parsed(text: &str, source: &str, words: Words) -> Result<ConfigJson> {
    let raw: &RawValue =
        serde_json::from_str(source).map_err(|refusal| not_json(source, refusal))?;
    let mut reader = Reader {
        source,
        words,
        text: CanonicalText::in_buffer(String::with_capacity(text.len() + text.len() / 4)),
        deps: Vec::new(),
    };
    let name = reader.config(raw).map_err(|fault| fault.in_text(text))?;
    let text = reader.text.into_string();
    Ok(ConfigJson::new(name, &text, &mut reader.deps))
}

/// Implements [`ConfigJson::from_canonical`].
pub(super) fn from_canonical(bytes: &[u8]) -> Result<ConfigJson> {
    let foreign = |what: String| {
        Error::new(ErrorKind::Config, what).with_help(
            "a config.json never changes, and its hash is its name: this one was edited, is damaged, or is not from \
             a store; restore it, or make the derivation again",
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        foreign("the config.json is not canonical: it is not UTF-8".to_owned()).because(error)
    })?;
    let config = from_json(text)
        .map_err(|error| foreign("the config.json is not canonical".to_owned()).because(error))?;
    if config.text() != text {
        let same = bytes
            .iter()
            .zip(config.text().as_bytes())
            .take_while(|(one, other)| one == other)
            .count();
        let (line, column) = line_and_column(text, same);
        return Err(foreign(format!(
            "the config.json is not canonical: its bytes differ from the canonical ones at line {line} column {column}"
        )));
    }
    Ok(config)
}

/// Parses a JSON text level by level, from slices of it, and writes it as canonical text.
struct Reader<'a> {
    source: &'a str,
    words: Words,
    text: CanonicalText,
    /// The hashes of the dependencies.
    deps: Vec<[u8; 16]>,
}

impl<'a> Reader<'a> {
    fn config(&mut self, raw: &'a RawValue) -> Result<Name, ValueError> {
        let json_type = JsonType::of(raw);
        if json_type != JsonType::Object {
            return Err(
                ValueError::new(format!("is {}, not an object", json_type.noun()))
                    .with_help("write a config as {\"name\": \"stage\", ..}"),
            );
        }
        self.object(raw)?;
        let Object(entries) = self.part(raw)?;
        let Some((_, name)) = entries.into_iter().find(|(key, _)| key == "name") else {
            return Name::new(UNNAMED).map_err(|error| ValueError::new(error.to_string()));
        };
        if JsonType::of(name) != JsonType::String {
            return Err(self
                .fault(
                    name,
                    format!("is {}, not a string", JsonType::of(name).noun()),
                )
                .with_help(NAME_HELP)
                .under_key("name"));
        }
        let Text(text) = self.part(name)?;
        Name::new(&text).map_err(|error| {
            self.fault(name, format!("is not a valid name: {error}"))
                .with_help(NAME_HELP)
                .under_key("name")
        })
    }

    fn value(&mut self, raw: &'a RawValue) -> Result<(), ValueError> {
        match JsonType::of(raw) {
            JsonType::Null | JsonType::Bool => self.text.verbatim(raw.get()),
            JsonType::Number => self.number(raw)?,
            JsonType::String => self.string(raw)?,
            JsonType::List => self.list(raw)?,
            JsonType::Object => self.object(raw)?,
        }
        Ok(())
    }

    fn object(&mut self, raw: &'a RawValue) -> Result<(), ValueError> {
        self.open(raw, '{')?;
        let Object(entries) = self.part(raw)?;
        let mut keys = HashSet::with_capacity(entries.len());
        for (key, value) in &entries {
            if !keys.insert(key.as_ref()) {
                let fault = ValueError::repeated(key);
                return Err(fault.at_offset(self.offset(value)));
            }
            self.text.entry(key);
            self.value(value).map_err(|fault| fault.under_key(key))?;
            self.text.end_item();
        }
        self.text.close('}');
        Ok(())
    }

    fn list(&mut self, raw: &'a RawValue) -> Result<(), ValueError> {
        self.open(raw, '[')?;
        let items: Vec<&RawValue> = self.part(raw)?;
        for (index, item) in items.into_iter().enumerate() {
            self.text.item();
            self.value(item).map_err(|fault| fault.under_index(index))?;
            self.text.end_item();
        }
        self.text.close(']');
        Ok(())
    }

    fn open(&mut self, raw: &RawValue, bracket: char) -> Result<(), ValueError> {
        if !self.text.may_open() {
            return Err(ValueError::too_deep().at_offset(self.offset(raw)));
        }
        self.text.open(bracket);
        Ok(())
    }

    fn string(&mut self, raw: &'a RawValue) -> Result<(), ValueError> {
        let Text(value) = self.part(raw)?;
        if value.starts_with("dref:") {
            self.deps
                .extend(value.parse::<DRefId>().map(|dep| *dep.hash()));
        } else if value.starts_with("rref:") && value.parse::<RRefId>().is_ok() {
            return Err(realization(&value).at_offset(self.offset(raw)));
        }
        self.text.string(&value);
        Ok(())
    }

    /// Writes a number as Python does: digits alone are an integer of any size, other forms are floats.
    fn number(&mut self, raw: &RawValue) -> Result<(), ValueError> {
        let digits = raw.get();
        if let Some(word) = self.words.at(self.offset(raw)) {
            self.text.verbatim(word);
            return Ok(());
        }
        if !digits.contains(['.', 'e', 'E']) {
            self.text
                .verbatim(if digits == "-0" { "0" } else { digits });
            return Ok(());
        }
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => {
                self.text.float(value);
                Ok(())
            }
            _ => Err(self
                .fault(raw, "is a number too large for a 64-bit float".to_owned())
                .with_help("the largest float is 1.7976931348623157e+308; write an integer without a decimal point and an exponent")),
        }
    }

    /// Parses the outer level of `raw`, whose grammar was checked before.
    fn part<T: Deserialize<'a>>(&self, raw: &'a RawValue) -> Result<T, ValueError> {
        serde_json::from_str(raw.get()).map_err(|error| {
            // The only remaining errors are unpaired surrogates, which Python accepts and UTF-8 cannot represent.
            self.fault(
                raw,
                format!("has a string that is not valid Unicode: {}", reason(&error)),
            )
            .with_help("write both halves of a surrogate pair, as in \"\\ud83d\\ude00\"")
        })
    }

    fn fault(&self, raw: &RawValue, problem: String) -> ValueError {
        ValueError::new(problem).at_offset(self.offset(raw))
    }

    /// Returns the offset of `raw`, a slice of the source text.
    fn offset(&self, raw: &RawValue) -> usize {
        (raw.get().as_ptr() as usize).saturating_sub(self.source.as_ptr() as usize)
    }
}

/// The name of a config that has none.
const UNNAMED: &str = "unnamed";

const NAME_HELP: &str =
    "a name is a string of 1 to 200 of the characters a-z, A-Z, 0-9, `_` and `-`";
