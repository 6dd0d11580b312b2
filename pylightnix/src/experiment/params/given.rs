//! Finds the parameter of each value that is given, and collects what is wrong.

use serde_json::Value;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;

use super::document::{Document, Item, PROFILES, Table};
use super::{Origin, Param, ParamList, faults, text};
use crate::Error;

/// A value that is given to a parameter.
pub(super) struct Given {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What is given, the weakest first.
pub(super) struct Reading<'l> {
    list: &'l ParamList,
    pub(super) given: Vec<Given>,
    /// Parameters with a value that is wrong, which are not missing.
    pub(super) faulty: HashSet<String>,
    pub(super) faults: Vec<Error>,
}

/// A table of a document, with the profile that it belongs to.
#[derive(Clone, Copy)]
struct Part<'d> {
    path: &'d Path,
    profile: Option<&'d str>,
}

impl Part<'_> {
    fn origin(self, line: usize) -> Origin {
        let path = self.path.to_owned();
        match self.profile {
            None => Origin::File { path, line },
            Some(profile) => Origin::Profile {
                profile: profile.to_owned(),
                path,
                line,
            },
        }
    }

    /// Returns the place of a line, for messages.
    fn place(self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }
}

impl<'l> Reading<'l> {
    pub(super) fn new(list: &'l ParamList) -> Self {
        Reading {
            list,
            given: Vec::new(),
            faulty: HashSet::new(),
            faults: Vec::new(),
        }
    }

    /// Reads files, and then the profiles in them. What a profile says that is not asked for has to be valid too.
    pub(super) fn documents<'d>(
        &mut self,
        documents: impl Iterator<Item = &'d Document> + Clone,
        profiles: &[String],
    ) {
        for document in documents.clone() {
            let part = Part {
                path: &document.path,
                profile: None,
            };
            let entries = document.root.0.iter();
            let entries = entries.filter(|entry| entry.key != PROFILES);
            for entry in entries {
                self.entry("", part, &entry.key, entry.line, &entry.item);
            }
        }
        let all = documents
            .clone()
            .flat_map(|document| self.profiles(document));
        let all: Vec<(Part<'_>, &str, &Table)> = all.collect();
        for (part, name, table) in &all {
            if !profiles.iter().any(|wanted| wanted == name) {
                let before = self.given.len();
                self.table("", *part, table);
                self.given.truncate(before);
            }
        }
        for wanted in profiles {
            let mut named = all.iter().filter(|(_, name, _)| name == wanted).peekable();
            if named.peek().is_none() {
                let files: Vec<&Path> = documents.clone().map(|it| it.path.as_path()).collect();
                let mut names: Vec<&str> = all.iter().map(|(_, name, _)| *name).collect();
                names.dedup();
                self.faults.push(faults::no_profile(wanted, &files, &names));
            }
            for (part, _, table) in named {
                self.table("", *part, table);
            }
        }
    }

    /// Returns the profiles of a file.
    fn profiles<'d>(&mut self, document: &'d Document) -> Vec<(Part<'d>, &'d str, &'d Table)> {
        let path = document.path.as_path();
        let Some(entry) = document.root.get(PROFILES) else {
            return Vec::new();
        };
        let place = |line: usize| format!("{}:{line}", path.display());
        let Item::Table(profiles) = &entry.item else {
            self.faults.push(faults::profiles(place(entry.line)));
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in &profiles.0 {
            let profile = Some(entry.key.as_str());
            match &entry.item {
                Item::Table(table) => {
                    found.push((Part { path, profile }, entry.key.as_str(), table))
                }
                Item::Value(_) => self.faults.push(faults::profiles(place(entry.line))),
            }
        }
        found
    }

    fn table(&mut self, prefix: &str, part: Part<'_>, table: &Table) {
        for entry in &table.0 {
            self.entry(prefix, part, &entry.key, entry.line, &entry.item);
        }
    }

    fn entry(&mut self, prefix: &str, part: Part<'_>, key: &str, line: usize, item: &Item) {
        let key = format!("{prefix}{key}");
        let place = part.place(line);
        if let Some(param) = self.list.get(&key) {
            let value = item.value();
            let normal = param.normal(value.clone());
            self.add(param, &place, &value, normal, part.origin(line));
            return;
        }
        match item {
            Item::Table(inner) if self.list.is_group(&key) => {
                self.table(&format!("{key}."), part, inner);
            }
            Item::Value(_) if self.list.is_group(&key) => {
                self.faults.push(faults::group(self.list, place, &key));
            }
            _ => {
                let names = self.list.names();
                self.faults
                    .push(faults::unknown(self.list, place, &key, names));
            }
        }
    }

    /// Reads an environment variable.
    pub(super) fn variable(&mut self, name: &str, value: &OsStr) {
        let Some(param) = self.list.iter().find(|param| param.variable() == name) else {
            let names = self.list.iter().map(Param::variable);
            let fault = faults::unknown(self.list, "the environment", name, names);
            self.faults.push(fault);
            return;
        };
        let origin = Origin::Environment {
            variable: name.to_owned(),
        };
        match value.to_str() {
            Some(value) => self.text(param, name, value, origin),
            None => {
                self.faulty.insert(param.key.clone());
                self.faults.push(faults::not_text(name));
            }
        }
    }

    /// Reads a value that the program or its command line sets.
    pub(super) fn set(&mut self, by: &str, key: &str, value: &str) {
        let origin = Origin::Set { by: by.to_owned() };
        if let Some(param) = self.list.get(key) {
            self.text(param, by, value, origin);
        } else {
            self.faults.push(unknown_set(self.list, by, key));
        }
    }

    fn text(&mut self, param: &Param, place: &str, text: &str, origin: Origin) {
        let normal = text::value(param, text);
        self.add(
            param,
            place,
            &Value::String(text.to_owned()),
            normal,
            origin,
        );
    }

    fn add(
        &mut self,
        param: &Param,
        place: &str,
        value: &Value,
        normal: serde_json::Result<Value>,
        origin: Origin,
    ) {
        let key = param.key.clone();
        match normal {
            Ok(value) => self.given.push(Given { key, value, origin }),
            Err(error) => {
                self.faulty.insert(key);
                self.faults.push(faults::misfit(place, param, value, error));
            }
        }
    }
}

/// The error of a key that is set and that no parameter has.
pub(super) fn unknown_set(list: &ParamList, by: &str, key: &str) -> Error {
    match list.is_group(key) {
        true => faults::group(list, by, key),
        false => faults::unknown(list, by, key, list.names()),
    }
}
