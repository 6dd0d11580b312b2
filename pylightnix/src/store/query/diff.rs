//! Differences between two realizations.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::FirstDifference;
use crate::config::{FieldChange, RRefId};
use crate::store::{Context, EntryKind, Manifest, Outcome, Store};
use crate::units::text;
use crate::{Error, ErrorKind, Result, visible};

impl Store {
    /// Compares two realizations: their configs field by field, the realizations that they were made from, and their artifacts
    /// by the hashes in the records. Reads no artifact.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Words { #[selfref("w")] out: SelfRef<Text>, text: String }
    /// # #[stage] fn words(b: &Build<Words>) -> Result<WordsOutputs> { Ok(WordsOutputs { out: b.out.save(&b.text)? }) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let old = store.realize(&instantiate(Words::new("a\nb\n".to_owned()))?)?;
    /// let new = store.realize(&instantiate(Words::new("a\nc\n".to_owned()))?)?;
    /// let diff = store.diff(&old, &new)?;
    /// println!("{diff}");
    /// assert_eq!(diff.fields[0].path, "text");
    /// assert_eq!(diff.first_difference("w")?.unwrap().line, Some(2));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if one is not in the store or is corrupt, or if a system call fails.
    pub fn diff(&self, old: impl AsRef<RRefId>, new: impl AsRef<RRefId>) -> Result<Diff> {
        let (old, new) = (old.as_ref(), new.as_ref());
        self.use_derivations([old.dref(), new.dref()])?;
        let (old_record, new_record) = (self.record(old)?, self.record(new)?);
        let fields = match old.dref() == new.dref() {
            true => Vec::new(),
            false => self.config(old.dref())?.diff(&self.config(new.dref())?)?,
        };
        let (one, other) = (&old_record.head().context, &new_record.head().context);
        let only = |of: &Context, without: &Context| -> Vec<RRefId> {
            let all = of.realizations();
            let only = all.filter(|rref| without.get(rref.dref()).binary_search(rref).is_err());
            only.cloned().collect()
        };
        Ok(Diff {
            old: old.clone(),
            new: new.clone(),
            fields,
            only_old: only(one, other),
            only_new: only(other, one),
            outcomes: (old_record.head().outcome, new_record.head().outcome),
            files: compare(old_record.manifest(), new_record.manifest()),
            folders: (self.out_dir(old), self.out_dir(new)),
        })
    }
}

/// The differences between two realizations; see [`Store::diff`]. Displays as one line for each difference.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Diff {
    /// The old one.
    pub old: RRefId,
    /// The new one.
    pub new: RRefId,
    /// The config fields that differ. A different dependency appears as a field with another reference.
    pub fields: Vec<FieldChange>,
    /// The outcomes of both builds.
    pub outcomes: (Outcome, Outcome),
    /// The direct dependencies of the old realization only.
    pub only_old: Vec<RRefId>,
    /// The direct dependencies of the new realization only.
    pub only_new: Vec<RRefId>,
    /// The artifacts that differ, sorted by path.
    pub files: Vec<FileChange>,
    #[serde(skip)]
    folders: (PathBuf, PathBuf),
}

/// An artifact that differs between two trees. One with only `old` or only `new` was removed or added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileChange {
    /// The path in `out/`.
    pub path: String,
    /// The type and content in the old realization.
    pub old: Option<EntryKind>,
    /// The type and content in the new realization.
    pub new: Option<EntryKind>,
    /// The first difference, if both are files and they were [read](Diff::read_contents).
    pub first: Option<FirstDifference>,
}

impl Serialize for FileChange {
    /// Serializes an object with `path`; `old` and `new`, the types ([`EntryKind::word`]); `old_bytes` and `new_bytes`; and
    /// `first_difference`, if it is known.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let word = |kind: &Option<EntryKind>| kind.as_ref().map(EntryKind::word);
        let size = |kind: &Option<EntryKind>| match kind {
            Some(EntryKind::File { size, .. }) => Some(*size),
            _ => None,
        };
        let mut change = to.serialize_struct("FileChange", 6)?;
        change.serialize_field("path", &self.path)?;
        change.serialize_field("old", &word(&self.old))?;
        change.serialize_field("new", &word(&self.new))?;
        change.serialize_field("old_bytes", &size(&self.old))?;
        change.serialize_field("new_bytes", &size(&self.new))?;
        match &self.first {
            Some(first) => change.serialize_field("first_difference", first)?,
            None => change.skip_field("first_difference")?,
        }
        change.end()
    }
}

impl FileChange {
    /// Whether the entry is a file on both sides.
    fn is_of_files(&self) -> bool {
        let is_file = |kind: &Option<EntryKind>| matches!(kind, Some(EntryKind::File { .. }));
        is_file(&self.old) && is_file(&self.new)
    }

    /// Reads both files up to the first difference and stores it in `first`. Does nothing unless the entry is a file on both
    /// sides. `old` and `new` are the folders of the two trees.
    pub(crate) fn read_contents(&mut self, old: &Path, new: &Path) -> Result<()> {
        if self.is_of_files() {
            self.first = FirstDifference::of_files(old.join(&self.path), new.join(&self.path))?;
        }
        Ok(())
    }
}

impl Diff {
    /// Whether there are no differences.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
            && self.only_old.is_empty()
            && self.only_new.is_empty()
            && self.outcomes.0 == self.outcomes.1
            && self.files.is_empty()
    }

    /// Reads the files that exist on both sides up to the first difference, and stores it in [`FileChange::first`].
    ///
    /// # Errors
    /// Fails if a file cannot be read.
    pub fn read_contents(&mut self) -> Result<()> {
        let (old, new) = &self.folders;
        for change in &mut self.files {
            change.read_contents(old, new)?;
        }
        Ok(())
    }

    /// Returns the first position at which a file differs, reading it up to there; `None` if only its mode differs.
    ///
    /// # Errors
    /// Fails if the path is not a file on both sides, if it does not differ, or if it cannot be read.
    pub fn first_difference(&self, path: &str) -> Result<Option<FirstDifference>> {
        let change = self.files.iter().find(|change| change.path == path);
        match change {
            Some(change) if change.is_of_files() => {
                let (old, new) = &self.folders;
                FirstDifference::of_files(old.join(path), new.join(path))
            }
            Some(_) => Err(Error::new(
                ErrorKind::Artifact,
                format!("{path:?} is not a file on both sides"),
            )),
            None => Err(Error::new(
                ErrorKind::Artifact,
                format!("{path:?} does not differ"),
            )),
        }
    }
}

/// Returns the differences between two trees, sorted by path.
pub(crate) fn compare(old: &Manifest, new: &Manifest) -> Vec<FileChange> {
    let mut all: BTreeMap<&str, FileChange> = BTreeMap::new();
    for (entries, is_old) in [(old.entries(), true), (new.entries(), false)] {
        for entry in entries {
            let change = all.entry(&entry.path).or_insert_with(|| FileChange {
                path: entry.path.clone(),
                old: None,
                new: None,
                first: None,
            });
            *(if is_old {
                &mut change.old
            } else {
                &mut change.new
            }) = Some(entry.kind.clone());
        }
    }
    all.into_values()
        .filter(|change| change.old != change.new)
        .collect()
}

fn shown(kind: &EntryKind) -> String {
    match kind {
        EntryKind::Dir => "a folder".to_owned(),
        EntryKind::Link { target } => format!("a link to {target:?}"),
        EntryKind::File {
            size, executable, ..
        } => format!(
            "{}{}",
            text::size(*size),
            if *executable { ", executable" } else { "" }
        ),
    }
}

impl fmt::Display for FileChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = visible::line(&self.path);
        match (&self.old, &self.new) {
            (Some(old), None) => write!(f, "- {path} ({})", shown(old))?,
            (None, Some(new)) => write!(f, "+ {path} ({})", shown(new))?,
            (Some(old), Some(new)) => {
                let (old, new) = (shown(old), shown(new));
                match old == new {
                    true => write!(f, "! {path} ({old})")?,
                    false => write!(f, "! {path} ({old} -> {new})")?,
                }
            }
            (None, None) => {}
        }
        match &self.first {
            Some(first) => write!(f, ", {first}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        visible::report(f, |f| {
            if self.is_empty() {
                return f.write_str("nothing differs");
            }
            let mut lines: Vec<String> = self.fields.iter().map(ToString::to_string).collect();
            if self.outcomes.0 != self.outcomes.1 {
                lines.push(format!("ended: {} -> {}", self.outcomes.0, self.outcomes.1));
            }
            lines.extend(self.only_old.iter().map(|rref| format!("- from {rref}")));
            lines.extend(self.only_new.iter().map(|rref| format!("+ from {rref}")));
            lines.extend(self.files.iter().map(ToString::to_string));
            f.write_str(&lines.join("\n"))
        })
    }
}
