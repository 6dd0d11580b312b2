//! The record of a realization: what it is, from what, and every entry of its artifacts.
//!
//! Its text is canonical: equal contents have equal bytes, and a text that this module would not print is refused.
//! Names are JSON strings as `serde_json` prints them: UTF-8, with only `"`, `\` and control characters escaped.
//! The manifest's lines are sorted by the bytes of the paths.

use serde::Serialize;
use std::fmt::{self, Write as _};

use crate::config::{DRefId, Digest, RRefId};
use crate::store::object::context::Context;
use crate::store::object::tree::{Entry, EntryKind, Manifest, TreeDigest};
use crate::{Error, ErrorKind, Result};

/// The first line.
const FIRST: &str = "pylightnix-realization-v1";

/// How a build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Outcome {
    /// It made what it promised.
    Ok,
    /// It failed, and the failure is what is kept.
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

/// What a record says before the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordHead {
    /// The sha256 of the derivation's `config.json`.
    pub derivation: Digest,
    /// From which realizations it was made.
    pub context: Context,
    /// How the build ended.
    pub outcome: Outcome,
    /// The digest of the artifacts.
    pub tree: TreeDigest,
}

/// The record of a realization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    head: RecordHead,
    manifest: Manifest,
}

impl Record {
    /// The record of these artifacts.
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

    /// What it says before the manifest.
    pub fn head(&self) -> &RecordHead {
        &self.head
    }

    /// Every entry of the artifacts.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads the text of a record, strictly.
    ///
    /// # Errors
    /// Anything but the exact text that [`to_text`](Self::to_text) gives for what it says; the line is named where there
    /// is one.
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

    /// Its text, the bytes of the file `record`.
    pub fn to_text(&self) -> String {
        let mut text = self.head.to_text();
        for entry in self.manifest.entries() {
            entry_line(&mut text, entry);
        }
        text
    }
}

impl RecordHead {
    /// Reads the lines before the manifest; what follows them is returned as it is.
    pub(in crate::store) fn parse(text: &str) -> Result<(Self, &str)> {
        let mut lines = Lines {
            rest: text,
            number: 0,
        };
        lines.tagged(FIRST, |rest| rest.is_empty().then_some(()))?;
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

    /// Its lines, each ended by a newline.
    fn to_text(&self) -> String {
        format!(
            "{FIRST}\ndrv {}\n{}res {}\nout {}\n",
            self.derivation,
            self.context.lines(),
            self.outcome,
            self.tree
        )
    }
}

/// The realization of `dref` that a record's text names.
pub(in crate::store) fn reference(dref: &DRefId, text: &str) -> RRefId {
    RRefId::new(Digest::of(text.as_bytes()).half(), dref.clone())
}

/// Takes lines off the front of a text.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// Takes the next line, which begins with `tag`, and reads the rest of it.
    fn tagged<T>(&mut self, tag: &str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T> {
        self.number += 1;
        let Some((line, rest)) = self.rest.split_once('\n') else {
            return Err(fault("it is cut short"));
        };
        self.rest = rest;
        line.strip_prefix(tag)
            .and_then(read)
            .ok_or_else(|| fault_at(self.number, line))
    }
}

/// `<dref> <rref> [<rref> ..]`
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
    // A foreign file may be one endless line.
    let shown: String = line.chars().take(80).collect();
    fault(&format!("line {number} is {shown:?}"))
}
