//! The promises of a derivation, loaded lazily to check its realizations.

use std::cell::{Cell, OnceCell};
use std::io;
use std::path::Path;

use crate::config::{ConfigJson, Digest, promises};
use crate::store::disk::layout::CONFIG;
use crate::store::disk::regular;
use crate::store::object::paths::Paths;
use crate::store::object::record::{Outcome, Record, RecordHead};
use crate::store::object::violation::unkept;

/// The promises of a derivation. If the config is not given, it is read when first needed.
pub(in crate::store) struct Promised<'a> {
    folder: &'a Path,
    config: Option<&'a ConfigJson>,
    /// `None` if the config does not match the records.
    paths: OnceCell<Option<Vec<String>>>,
    is_refused: Cell<bool>,
}

impl<'a> Promised<'a> {
    /// Wraps the promises of the derivation in `folder`.
    pub(in crate::store) fn new(folder: &'a Path, config: Option<&'a ConfigJson>) -> Self {
        Promised {
            folder,
            config,
            paths: OnceCell::new(),
            is_refused: Cell::new(false),
        }
    }

    /// Whether reading the config failed. Realizations then count as complete, and have to be checked again later.
    pub(in crate::store) fn is_refused(&self) -> bool {
        self.is_refused.get()
    }

    /// Whether a realization lacks a promised artifact. Returns `false` if the config is corrupt and its promises are unknown.
    pub(in crate::store) fn is_lacking(&self, head: &RecordHead, text: &str) -> bool {
        if head.outcome != Outcome::Ok {
            return false;
        }
        let paths = self.paths.get_or_init(|| self.read(&head.derivation));
        let Some(promises) = paths.as_deref() else {
            return false;
        };
        // The common case: every promise has its own line, and no link has to be resolved.
        if promises.iter().all(|path| has_line(text, path)) {
            return false;
        }
        let Ok(record) = Record::parse(text) else {
            return false;
        };
        !unkept(promises, &Paths::of(record.manifest())).is_empty()
    }

    fn read(&self, digest: &Digest) -> Option<Vec<String>> {
        if let Some(config) = self.config {
            return Some(config.promises());
        }
        match regular::read(&self.folder.join(CONFIG)) {
            Ok(bytes) if Digest::of(&bytes) == *digest => {
                std::str::from_utf8(&bytes).ok().map(promises)
            }
            Ok(_) => None,
            Err(error) => {
                self.is_refused.set(error.kind() != io::ErrorKind::NotFound);
                None
            }
        }
    }
}

/// Whether a record's text has an entry for a file or a folder at this path.
fn has_line(text: &str, path: &str) -> bool {
    let path = serde_json::Value::from(path);
    text.contains(&format!("\nfile {path} ")) || text.contains(&format!("\ndir {path}\n"))
}
