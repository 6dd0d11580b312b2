//! Marks of multi-run builds in progress: a file marks each such build from before its first run until after its last, so that
//! the results of an interrupted build are not taken for complete.
//!
//! A mark is the file `.begun/<derivation's folder>/<context>-<code>`. `<context>` is the first 16 hex digits of the SHA-256 of
//! the context's lines, as in the name of the build lock; `<code>` is the same of the fingerprint and the omitted fields. Its
//! JSON content tells the range of runs. A mark survives a crash. Creating or removing one requires the build lock, and updates
//! the times of the derivation's folder, so that the index notices.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

use crate::config::{DRefId, Digest};
use crate::store::disk::entries::entries;
use crate::store::disk::layout::Layout;
use crate::store::disk::regular;
use crate::store::object::context::Context;
use crate::{Error, ErrorKind, Result};

/// Number of hex digits in each of the two parts of a mark's name.
const HEX: usize = 16;

/// The mark of a multi-run build in progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BuildMark {
    /// The file name of the mark.
    #[serde(skip)]
    pub(crate) name: String,
    /// The code fingerprint of the runs, or `None` if the mark is unreadable: it then matches any code.
    pub(crate) fingerprint: Option<String>,
    /// The values of the fields that the config omits.
    #[serde(default)]
    pub(crate) omitted: BTreeMap<String, serde_json::Value>,
    /// The index of the first run.
    pub(crate) first: usize,
    /// The index after that of the last run.
    pub(crate) of: usize,
    /// The number of runs in one build of the stage when the mark was written.
    pub(crate) nouts: usize,
}

impl BuildMark {
    /// Parses a mark. An unreadable one becomes a mark that matches any code.
    fn from_bytes(name: &str, bytes: &[u8]) -> Self {
        let name = name.to_owned();
        match serde_json::from_slice(bytes) {
            Ok(begun) => BuildMark { name, ..begun },
            Err(_) => BuildMark {
                name,
                fingerprint: None,
                omitted: BTreeMap::new(),
                first: 0,
                of: 0,
                nouts: 0,
            },
        }
    }

    pub(in crate::store) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| {
            let message = "the mark of a build cannot be written as JSON";
            Error::new(ErrorKind::Store, message).because(error)
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Returns the file name of the mark in the folder of its derivation.
    pub(in crate::store) fn name_in(&self, context: &Context) -> Result<String> {
        let code = serde_json::to_vec(&(&self.fingerprint, &self.omitted)).map_err(|error| {
            let message = "the omitted fields of a build cannot be written as JSON";
            Error::new(ErrorKind::Store, message).because(error)
        })?;
        let mut code = Digest::of(&code).to_string();
        code.truncate(HEX);
        Ok(format!("{}-{code}", context.short_hash()))
    }
}

/// A mark that is not parsed yet: its file name and its content.
pub(in crate::store) type RawMark = (String, Vec<u8>);

/// Whether a file name is that of a mark.
pub(in crate::store) fn is_mark(name: &str) -> bool {
    let is_hex = |part: &str| {
        part.len() == HEX && (part.bytes()).all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    name.split_once('-')
        .is_some_and(|(context, code)| is_hex(context) && is_hex(code))
}

/// Parses a mark; returns `None` if it is of a build in another context.
pub(in crate::store) fn begun_from(
    context: &Context,
    name: &str,
    bytes: &[u8],
) -> Option<BuildMark> {
    let is_of_it = name.starts_with(&context.short_hash());
    is_of_it.then(|| BuildMark::from_bytes(name, bytes))
}

/// Reads the marks of a derivation, sorted by name.
pub(in crate::store) fn marks_of(layout: &Layout, dref: &DRefId) -> Result<Vec<RawMark>> {
    let folder = layout.begun(dref);
    let mut marks = Vec::new();
    for entry in entries(&folder)? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        let path = folder.join(&name);
        match regular::read(&path) {
            _ if !is_mark(&name) => {}
            Ok(bytes) => marks.push((name, bytes)),
            // Removed between listing and reading.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &path, error)),
        }
    }
    marks.sort_unstable();
    Ok(marks)
}
