//! Builds of several runs that have begun and not ended. Each is marked by a file, so that what a part of a build made is
//! not taken for all that it makes.
//!
//! A mark is `.begun/<derivation's folder>/<context>-<code>`: the first 16 hex digits of the sha256 of the context's lines,
//! as in the name of the build lock, and those of what stands for the code. It is there from before the first run until
//! after the last, whoever dies meanwhile, and says as JSON which runs the build makes. Whoever makes or removes one has the
//! build lock, and sets the times of the derivation's folder, so that the index sees it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::config::{DRefId, Digest};
use crate::store::disk::layout::Layout;
use crate::store::disk::regular;
use crate::store::object::context::Context;
use crate::{Error, ErrorKind, Result};

/// The hex digits of each of the two parts of a mark's name.
const HEX: usize = 16;

/// A build of several runs that has begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// The name of its mark.
    #[serde(skip)]
    pub(crate) name: String,
    /// What stands for the code of its runs. Nothing if the mark cannot be understood: then it is a build by any code.
    pub(crate) fingerprint: Option<String>,
    /// The values of the fields that the config leaves out.
    #[serde(default)]
    pub(crate) omitted: BTreeMap<String, serde_json::Value>,
    /// The index of its first run.
    pub(crate) first: usize,
    /// The index after that of its last run.
    pub(crate) of: usize,
    /// How many runs one build of the stage took then.
    pub(crate) nouts: usize,
}

impl Begun {
    /// Reads the bytes of the mark of this name.
    fn from_bytes(name: &str, bytes: &[u8]) -> Self {
        let name = name.to_owned();
        match serde_json::from_slice(bytes) {
            Ok(begun) => Begun { name, ..begun },
            Err(_) => Begun {
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

    /// The name of its mark, among those of the derivation.
    pub(in crate::store) fn name_in(&self, context: &Context) -> Result<String> {
        let code = serde_json::to_vec(&(&self.fingerprint, &self.omitted)).map_err(|error| {
            let message = "what a build leaves out cannot be written as JSON";
            Error::new(ErrorKind::Store, message).because(error)
        })?;
        let mut code = Digest::of(&code).to_string();
        code.truncate(HEX);
        Ok(format!("{}-{code}", context.short_hash()))
    }
}

/// The bytes of a mark, and its name.
pub(in crate::store) type Mark = (String, Vec<u8>);

/// Whether a file of this name is a mark.
pub(in crate::store) fn is_mark(name: &str) -> bool {
    let is_hex = |part: &str| {
        part.len() == HEX && (part.bytes()).all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    name.split_once('-')
        .is_some_and(|(context, code)| is_hex(context) && is_hex(code))
}

/// The mark, if it is one of a build from this context.
pub(in crate::store) fn begun_from(context: &Context, name: &str, bytes: &[u8]) -> Option<Begun> {
    let is_of_it = name.starts_with(&context.short_hash());
    is_of_it.then(|| Begun::from_bytes(name, bytes))
}

/// The marks of a derivation, sorted by name.
pub(in crate::store) fn marks_of(layout: &Layout, dref: &DRefId) -> Result<Vec<Mark>> {
    let folder = layout.begun(dref);
    let refused = |error| Error::io("read the folder", &folder, error);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(refused)?,
    };
    let mut marks = Vec::new();
    for entry in entries {
        let Ok(name) = entry.map_err(refused)?.file_name().into_string() else {
            continue;
        };
        let path = folder.join(&name);
        match regular::read(&path) {
            _ if !is_mark(&name) => {}
            Ok(bytes) => marks.push((name, bytes)),
            // It was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &path, error)),
        }
    }
    marks.sort_unstable();
    Ok(marks)
}
