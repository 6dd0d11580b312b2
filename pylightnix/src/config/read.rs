//! Making a config from any JSON text of it.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashSet;

use super::fault::{Fault, line_and_column};
use super::locate::not_json;
use super::plain::realization;
use super::raw::{Object, Sort, Text, reason};
use super::text::CanonicalText;
use super::{ConfigJson, DRefId, Name, RRefId};
use crate::{Error, ErrorKind, Result};

/// As [`ConfigJson::from_json`] says.
pub(super) fn from_json(text: &str) -> Result<ConfigJson> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|refusal| not_json(text, refusal))?;
    let mut reader = Reader {
        source: text,
        text: CanonicalText::in_buffer(String::with_capacity(text.len() + text.len() / 4)),
        deps: Vec::new(),
    };
    let name = reader.config(raw).map_err(|fault| fault.in_text(text))?;
    let text = reader.text.into_string();
    Ok(ConfigJson::new(name, &text, &mut reader.deps))
}

/// As [`ConfigJson::from_canonical`] says.
pub(super) fn from_canonical(bytes: &[u8]) -> Result<ConfigJson> {
    let foreign = |what: String| {
        Error::new(ErrorKind::Config, what).help(
            "a config.json is written once and its hash is its name: this one was edited, is damaged, or is not from \
             a store; restore it, or make the derivation again",
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        foreign("the config.json is not canonical: it is no UTF-8".to_owned()).because(error)
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
            "the config.json is not canonical: its bytes are not those that its value is written with, from line \
             {line} column {column} on"
        )));
    }
    Ok(config)
}

/// Writes what it reads. Each level of the text is read by itself, from a slice of the whole.
struct Reader<'a> {
    source: &'a str,
    text: CanonicalText,
    /// The hashes of what it depends on.
    deps: Vec<[u8; 16]>,
}

impl<'a> Reader<'a> {
    fn config(&mut self, raw: &'a RawValue) -> Result<Name, Fault> {
        let sort = Sort::of(raw);
        if sort != Sort::Object {
            return Err(Fault::new(format!("is {}, and not an object", sort.noun()))
                .help("a config looks like {\"name\": \"stage\", ..}"));
        }
        self.object(raw)?;
        let Object(entries) = self.part(raw)?;
        let Some((_, name)) = entries.into_iter().find(|(key, _)| key == "name") else {
            return Err(Fault::new("has no `name`")
                .help("add the name of the stage: {\"name\": \"stage\", ..}"));
        };
        if Sort::of(name) != Sort::String {
            return Err(self
                .fault(
                    name,
                    format!("is {}, and not a string", Sort::of(name).noun()),
                )
                .help(NAME_HELP)
                .under_key("name"));
        }
        let Text(text) = self.part(name)?;
        Name::new(&text).map_err(|error| {
            self.fault(name, format!("is no name: {error}"))
                .help(NAME_HELP)
                .under_key("name")
        })
    }

    fn value(&mut self, raw: &'a RawValue) -> Result<(), Fault> {
        match Sort::of(raw) {
            Sort::Null | Sort::Bool => self.text.verbatim(raw.get()),
            Sort::Number => self.number(raw)?,
            Sort::String => self.string(raw)?,
            Sort::List => self.list(raw)?,
            Sort::Object => self.object(raw)?,
        }
        Ok(())
    }

    fn object(&mut self, raw: &'a RawValue) -> Result<(), Fault> {
        self.open(raw, '{')?;
        let Object(entries) = self.part(raw)?;
        let mut keys = HashSet::with_capacity(entries.len());
        for (key, value) in &entries {
            if !keys.insert(key.as_ref()) {
                let fault = Fault::repeated(key);
                return Err(fault.at_offset(self.offset(value)));
            }
            self.text.entry(key);
            self.value(value).map_err(|fault| fault.under_key(key))?;
            self.text.end_item();
        }
        self.text.close('}');
        Ok(())
    }

    fn list(&mut self, raw: &'a RawValue) -> Result<(), Fault> {
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

    fn open(&mut self, raw: &RawValue, bracket: char) -> Result<(), Fault> {
        if !self.text.may_open() {
            return Err(Fault::too_deep().at_offset(self.offset(raw)));
        }
        self.text.open(bracket);
        Ok(())
    }

    fn string(&mut self, raw: &'a RawValue) -> Result<(), Fault> {
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

    /// Python reads digits alone as an integer of any size, and all else as a float.
    fn number(&mut self, raw: &RawValue) -> Result<(), Fault> {
        let digits = raw.get();
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
                .help("the largest is 1.7976931348623157e+308; write an integer without point and exponent")),
        }
    }

    /// One level of `raw`, whose grammar was checked with the whole text's.
    fn part<T: Deserialize<'a>>(&self, raw: &'a RawValue) -> Result<T, Fault> {
        serde_json::from_str(raw.get()).map_err(|error| {
            // Left are escapes of one half of a surrogate pair, which Python lets through and UTF-8 cannot hold.
            self.fault(
                raw,
                format!("has a string that is no Unicode: {}", reason(&error)),
            )
            .help("write both halves of a surrogate pair, as in \"\\ud83d\\ude00\"")
        })
    }

    fn fault(&self, raw: &RawValue, problem: String) -> Fault {
        Fault::new(problem).at_offset(self.offset(raw))
    }

    /// Where `raw`, a slice of the whole text, begins in it.
    fn offset(&self, raw: &RawValue) -> usize {
        (raw.get().as_ptr() as usize).saturating_sub(self.source.as_ptr() as usize)
    }
}

const NAME_HELP: &str =
    "a name is a string of 1 to 200 of the characters a-z, A-Z, 0-9, `_` and `-`";
