//! Records of realizations: the derivation, the context, the outcome and the manifest of the artifacts.
//!
//! The text is canonical: equal records have equal bytes, and any other spelling is rejected.
//! Names are JSON strings as `serde_json` prints them: UTF-8, with only `"`, `\` and control characters escaped.
//! The manifest's lines are sorted by the bytes of the paths.

use serde::Serialize;
use std::fmt::{self, Write as _};

use crate::config::{DRefId, Digest, RRefId};
use crate::store::object::context::Context;
use crate::store::object::tree::{Entry, EntryKind, Manifest, TreeDigest};
use crate::{Error, ErrorKind, Result};

/// The first line of a record.
const FIRST_LINE: &str = "pylightnix-realization-v1";

/// Whether a build succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// The build succeeded and kept its promises.
    Ok,
    /// The build failed; the realization stores the failure.
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
        })
    }
}

/// The part of a record before the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordHead {
    /// The SHA-256 of the derivation's `config.json`.
    pub derivation: Digest,
    /// The realizations of the dependencies that it was made from.
    pub context: Context,
    /// Whether the build succeeded.
    pub outcome: Outcome,
    /// The tree digest of the artifacts.
    pub tree: TreeDigest,
}

/// The record of a realization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    head: RecordHead,
    manifest: Manifest,
}

impl Record {
    /// Creates the record of artifacts with this manifest.
    pub fn new(derivation: Digest, context: Context, outcome: Outcome, manifest: Manifest) -> Self {
        Record {
            head: RecordHead {
                derivation,
                context,
                outcome,
                tree: manifest.digest(),
            },
            manifest,
        }
    }

    /// Returns the record of the same artifacts made from another context.
    pub(in crate::store) fn made_from(mut self, context: Context) -> Self {
        self.head.context = context;
        self
    }

    /// Returns the part before the manifest.
    pub fn head(&self) -> &RecordHead {
        &self.head
    }

    /// Returns the manifest of the artifacts.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Parses the text of a record strictly.
    ///
    /// # Errors
    /// Fails on any text other than what [`to_text`](Self::to_text) returns for the parsed record. The message names the
    /// offending line where possible.
    pub fn parse(text: &str) -> Result<Self> {
        let (head, rest) = RecordHead::parse(text)?;
        let first = text[..text.len() - rest.len()].lines().count() + 1;
        let mut entries = Vec::new();
        for (at, line) in rest.lines().enumerate() {
            entries.push(parse_entry(line).ok_or_else(|| fault_at(first + at, line))?);
        }
        let manifest = Manifest::new(entries)?;
        let record = Record { head, manifest };
        if record.head.tree != record.manifest.digest() {
            return Err(fault("its `out` line is not the digest of its entries"));
        }
        if record.to_text() != text {
            return Err(fault("it is not in canonical form"));
        }
        Ok(record)
    }

    /// Returns the text of the record: the content of the file `record`.
    pub fn to_text(&self) -> String {
        let mut text = self.head.to_text();
        for entry in self.manifest.entries() {
            entry_line(&mut text, entry);
        }
        text
    }
}

impl RecordHead {
    /// Parses the lines before the manifest; returns the rest of the text unparsed.
    pub(in crate::store) fn parse(text: &str) -> Result<(Self, &str)> {
        let mut lines = Lines {
            rest: text,
            number: 0,
        };
        lines.tagged(FIRST_LINE, |rest| rest.is_empty().then_some(()))?;
        let derivation = lines.tagged("drv ", |hex| hex.parse().ok())?;
        let mut rrefs = Vec::new();
        let start = text.len() - lines.rest.len();
        while lines.rest.starts_with("dep ") {
            lines.tagged("dep ", |line| parse_dep(line, &mut rrefs))?;
        }
        let deps = &text[start..text.len() - lines.rest.len()];
        let context: Context = rrefs.into_iter().collect();
        if context.lines() != deps {
            return Err(fault("its `dep` lines are not in canonical form"));
        }
        let outcome = lines.tagged("res ", |word| match word {
            "ok" => Some(Outcome::Ok),
            "failed" => Some(Outcome::Failed),
            _ => None,
        })?;
        let tree = lines.tagged("out ", |word| {
            let tree: TreeDigest = word.parse().ok()?;
            (tree.to_string() == word).then_some(tree)
        })?;
        let head = RecordHead {
            derivation,
            context,
            outcome,
            tree,
        };
        Ok((head, lines.rest))
    }

    /// Formats the head, each line ended by a newline.
    fn to_text(&self) -> String {
        format!(
            "{FIRST_LINE}\ndrv {}\n{}res {}\nout {}\n",
            self.derivation,
            self.context.lines(),
            self.outcome,
            self.tree
        )
    }
}

/// Returns the reference of the realization of `dref` with this record.
pub(in crate::store) fn reference(dref: &DRefId, text: &str) -> RRefId {
    RRefId::new(Digest::of(text.as_bytes()).half(), dref.clone())
}

/// A reader that takes lines off the front of a text.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// Parses the next line, which has to begin with `tag`, by applying `read` to the rest.
    fn tagged<T>(&mut self, tag: &str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T> {
        self.number += 1;
        let Some((line, rest)) = self.rest.split_once('\n') else {
            return Err(fault("it is truncated"));
        };
        self.rest = rest;
        line.strip_prefix(tag)
            .and_then(read)
            .ok_or_else(|| fault_at(self.number, line))
    }
}

/// Parses `<dref> <rref> [<rref> ..]`.
fn parse_dep(line: &str, rrefs: &mut Vec<RRefId>) -> Option<()> {
    let mut words = line.split(' ');
    let dref: DRefId = words.next()?.parse().ok()?;
    for word in words {
        let rref: RRefId = word.parse().ok()?;
        if rref.dref() != &dref {
            return None;
        }
        rrefs.push(rref);
    }
    Some(())
}

fn parse_entry(line: &str) -> Option<Entry> {
    let (tag, rest) = line.split_once(' ')?;
    let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let path = strings.next()?.ok()?;
    let after = rest.get(strings.byte_offset()..)?;
    let kind = match tag {
        "dir" if after.is_empty() => EntryKind::Dir,
        "file" => {
            let mut words = after.strip_prefix(' ')?.split(' ');
            let digest = words.next()?.parse().ok()?;
            let size = words.next()?.parse().ok()?;
            let executable = match words.next()? {
                "x" => true,
                "-" => false,
                _ => return None,
            };
            if words.next().is_some() {
                return None;
            }
            EntryKind::File {
                digest,
                size,
                executable,
            }
        }
        "link" => EntryKind::Link {
            target: serde_json::from_str(after.strip_prefix(' ')?).ok()?,
        },
        _ => return None,
    };
    Some(Entry { path, kind })
}

fn entry_line(text: &mut String, entry: &Entry) {
    let path = json(&entry.path);
    // Writing to a string cannot fail.
    let _ = match &entry.kind {
        EntryKind::Dir => writeln!(text, "dir {path}"),
        EntryKind::File {
            digest,
            size,
            executable,
        } => writeln!(
            text,
            "file {path} {digest} {size} {}",
            if *executable { 'x' } else { '-' }
        ),
        EntryKind::Link { target } => writeln!(text, "link {path} {}", json(target)),
    };
}

fn json(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

fn fault(why: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("not a realization's record: {why}"),
    )
}

fn fault_at(number: usize, line: &str) -> Error {
    // Truncated: a foreign file may be one huge line.
    let shown: String = line.chars().take(80).collect();
    fault(&format!("line {number} is {shown:?}"))
}
