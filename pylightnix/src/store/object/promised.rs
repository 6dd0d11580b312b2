//! What a derivation promises, for a look at its realizations.

use std::cell::{Cell, OnceCell};
use std::io;
use std::path::Path;

use crate::config::{ConfigJson, Digest, promises};
use crate::store::disk::layout::CONFIG;
use crate::store::disk::regular;
use crate::store::object::lacking::unkept;
use crate::store::object::paths::Paths;
use crate::store::object::record::{Outcome, Record, RecordHead};

/// The promises of a derivation. Where its config is not at hand, it is read when something has to be compared with it.
pub(in crate::store) struct Promised<'a> {
    folder: &'a Path,
    config: Option<&'a ConfigJson>,
    /// Nothing where the config is not what the records say.
    paths: OnceCell<Option<Vec<String>>>,
    is_refused: Cell<bool>,
}

impl<'a> Promised<'a> {
    /// Those of the derivation in this folder.
    pub(in crate::store) fn new(folder: &'a Path, config: Option<&'a ConfigJson>) -> Self {
        Promised {
            folder,
            config,
            paths: OnceCell::new(),
            is_refused: Cell::new(false),
        }
    }

    /// Whether the system refused to let the config be read: what was found counts as keeping its promises, and somebody has
    /// to look again.
    pub(in crate::store) fn is_refused(&self) -> bool {
        self.is_refused.get()
    }

    /// Whether a realization with this record lacks a promise. Of a config that is broken nobody knows what it promised.
    pub(in crate::store) fn is_lacking(&self, head: &RecordHead, text: &str) -> bool {
        if head.outcome != Outcome::Ok {
            return false;
        }
        let paths = self.paths.get_or_init(|| self.read(&head.derivation));
        let Some(promises) = paths.as_deref() else {
            return false;
        };
        // Most are files with lines of their own: that is seen without following any link.
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

/// Whether the text of a record has a line for a file or a folder of this path.
fn has_line(text: &str, path: &str) -> bool {
    let path = serde_json::Value::from(path);
    text.contains(&format!("\nfile {path} ")) || text.contains(&format!("\ndir {path}\n"))
}
