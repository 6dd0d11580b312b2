//! A file of parameters, with the line of each value.

use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

#[cfg(feature = "yaml")]
use super::yaml;
use super::{faults, json, toml};
use crate::Result;

/// The key of a file under which its profiles are.
pub(super) const PROFILES: &str = "profile";

/// A file of parameters.
#[derive(Debug)]
pub(super) struct Document {
    /// The path, as it was given.
    pub(super) path: PathBuf,
    pub(super) root: Table,
}

/// A table of a file, in the order of the lines.
#[derive(Debug, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

/// A value with its key.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The number of the line, from 1.
    pub(super) line: usize,
    pub(super) item: Item,
}

/// What a key of a file has.
#[derive(Debug)]
pub(super) enum Item {
    Table(Table),
    Value(Value),
}

/// Why a file cannot be parsed, and in which line.
pub(super) struct Misread {
    pub(super) line: usize,
    pub(super) what: String,
}

impl Document {
    /// Reads a file: JSON if its name ends in `.json`, YAML if it ends in `.yaml` or `.yml`, else TOML.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| faults::unread(path, error))?;
        let read = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => json::read(&text),
            #[cfg(feature = "yaml")]
            Some("yaml" | "yml") => yaml::read(&text),
            #[cfg(not(feature = "yaml"))]
            Some("yaml" | "yml") => return Err(faults::no_yaml(path)),
            _ => toml::read(&text),
        };
        let root = read.map_err(|misread| faults::misread(path, &misread))?;
        let path = path.to_owned();
        Ok(Document { path, root })
    }
}

impl Document {
    /// Returns the names of the profiles.
    pub(super) fn profiles(&self) -> Vec<String> {
        match self.root.get(PROFILES).map(|entry| &entry.item) {
            Some(Item::Table(profiles)) => profiles.0.iter().map(|it| it.key.clone()).collect(),
            _ => Vec::new(),
        }
    }
}

impl Table {
    /// Makes a table of entries in any order.
    pub(super) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| entry.line);
        Table(entries)
    }

    /// Returns what a key has.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }
}

impl Item {
    /// Returns the value, for a parameter whose type is a map too.
    pub(super) fn value(&self) -> Value {
        match self {
            Item::Value(value) => value.clone(),
            Item::Table(table) => {
                let pairs = table.0.iter();
                let pairs = pairs.map(|entry| (entry.key.clone(), entry.item.value()));
                Value::Object(Map::from_iter(pairs))
            }
        }
    }
}

/// Returns the number of the line of a byte, from 1.
pub(super) fn line_at(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    before.filter(|byte| **byte == b'\n').count() + 1
}
