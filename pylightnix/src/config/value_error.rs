//! An invalid value in a config, with its path.

use serde::ser;
use std::fmt;

use super::Name;
use crate::{Error, ErrorKind};

/// An error about a nested value. Each enclosing level adds its part to the path while the error propagates, so that valid
/// values cost nothing.
pub(crate) struct ValueError {
    /// The path from the written value to the invalid part, as in `.schedule[3].rate`.
    path: String,
    /// The predicate of a sentence that begins with "the field `x`".
    problem: String,
    help: Option<&'static str>,
    /// The byte offset of the invalid part in the source text.
    offset: Option<usize>,
}

impl ValueError {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        ValueError {
            path: String::new(),
            problem: problem.into(),
            help: None,
            offset: None,
        }
    }

    pub(crate) fn with_help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }

    pub(super) fn at_offset(mut self, offset: usize) -> Self {
        self.offset.get_or_insert(offset);
        self
    }

    pub(crate) fn under_key(mut self, key: &str) -> Self {
        let mut path = String::new();
        push_key(&mut path, key);
        path.push_str(&self.path);
        self.path = path;
        self
    }

    pub(crate) fn under_index(mut self, index: usize) -> Self {
        self.path.insert_str(0, &format!("[{index}]"));
        self
    }

    /// Converts the fault into an error about the field at `prefix` of the config `name`.
    pub(super) fn in_config(self, name: &Name, prefix: &str) -> Error {
        let whole = format!("{prefix}{}", self.path);
        self.error(&whole, &format!("the config `{name}`"), "")
    }

    /// Converts the fault into an error about the JSON text of a config, with line and column.
    pub(super) fn in_text(self, text: &str) -> Error {
        let place = self.offset.map_or(String::new(), |offset| {
            let (line, column) = line_and_column(text, offset);
            format!(", at line {line} column {column}")
        });
        let path = self.path.clone();
        self.error(&path, "the config", &place)
    }

    /// Converts the fault into an error about a value that is saved as an artifact.
    pub(crate) fn of_value(self) -> crate::BoxError {
        let subject = match shown(&self.path) {
            "" => "the value".to_owned(),
            path => format!("`{path}` of the value"),
        };
        let help = self.help.map_or(String::new(), |help| format!(": {help}"));
        format!("{subject} {}{help}", self.problem).into()
    }

    fn error(self, path: &str, config: &str, place: &str) -> Error {
        let subject = match shown(path) {
            "" => config.to_owned(),
            path => format!("the field `{path}` of {config}"),
        };
        let error = Error::new(
            ErrorKind::Config,
            format!("{subject} {}{place}", self.problem),
        );
        match self.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }

    /// Reports lists and objects that are nested deeper than the reader accepts.
    pub(super) fn too_deep() -> Self {
        ValueError::new(format!(
            "is nested more than {} levels deep",
            super::text::MAX_DEPTH
        ))
        .with_help("put a value this deep into a file that a stage reads")
    }

    /// Reports a duplicate key of an object.
    pub(super) fn repeated(key: &str) -> Self {
        ValueError::new(format!("has the key {key:?} twice")).with_help("keep one of them")
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl fmt::Debug for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl std::error::Error for ValueError {}

impl ser::Error for ValueError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        ValueError::new(format!("cannot be written: {text}"))
    }
}

/// Adds a key to a path: `.key`, or `["a key"]` for a key that is not a plain word.
pub(super) fn push_key(path: &mut String, key: &str) {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    // Performance: nearly all keys are ASCII names of fields.
    let ascii_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_word = key.as_bytes().iter().all(ascii_word) || key.chars().all(word);
    if !key.is_empty() && is_word {
        path.push('.');
        path.push_str(key);
    } else {
        path.push_str(&format!("[{key:?}]"));
    }
}

/// Returns a path as it is shown, without the dot before the first key.
pub(super) fn shown(path: &str) -> &str {
    path.strip_prefix('.').unwrap_or(path)
}

/// Returns the line and the column of a byte offset, both from 1. Columns count bytes, as those of serde_json.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    (line, before.len() - line_start + 1)
}
