//! Changes in the code of a stage.

use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::plan::{Code, Section, sections};
use crate::store::{CodeItem, CodeList, Store};
use crate::{ErrorKind, Result};

/// A change of code: the fingerprints, and the differences between the saved texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CodeChange {
    /// The fingerprint of the earlier code; `None` if it is unknown.
    pub old: Option<String>,
    /// The fingerprint of the later code; `None` if it is unknown.
    pub new: Option<String>,
    /// The parts that differ; empty if one of the texts was not saved.
    pub parts: Vec<CodePart>,
}

/// A part of the code of a stage that differs: its function, a helper, or the format of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CodePart {
    /// The name of the part, for people: "stage `train`", "helper `loss`".
    pub what: String,
    /// The text in the earlier code, formatted in lines and without comments; `None` if the part did not exist. The text of
    /// a stage with a `version` is that version.
    pub old: Option<String>,
    /// The text in the later code.
    pub new: Option<String>,
    /// The file in its package, and the line; `None` if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// How the stage reaches it: the names from the stage to this part. Empty if that is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reached_by: Vec<String>,
}

/// The code of a version of a stage.
#[derive(Clone, Copy)]
pub(in crate::realize) struct CodeVersion<'a> {
    /// The fingerprint, if it is known.
    pub(in crate::realize) fingerprint: Option<&'a str>,
    /// The code itself, if this program contains it; otherwise it may be in the store.
    pub(in crate::realize) code: Option<&'a Code>,
}

/// The text of a code, and the list of its items if it is kept as one.
type CodeText = (String, Option<CodeList>);

impl CodeVersion<'_> {
    fn text(self, store: &Store) -> Result<Option<CodeText>> {
        match (self.code, self.fingerprint) {
            (Some(code), _) => Ok(Some((code.text(), code.list().cloned()))),
            (None, Some(fingerprint)) => match store.code_and_list(fingerprint) {
                // A fingerprint that is not a valid file name has no text; an unreadable text is ignored.
                Err(error) if error.kind() != ErrorKind::Io => Ok(None),
                found => found,
            },
            (None, None) => Ok(None),
        }
    }
}

/// The fingerprints of the earlier and of the later code.
type Fingerprints = (Option<String>, Option<String>);

/// A cache of changes of code: all derivations of a stage share theirs.
#[derive(Clone, Default)]
pub(in crate::realize) struct CodeChanges(Arc<Mutex<HashMap<Fingerprints, Arc<CodeChange>>>>);

impl CodeChanges {
    /// Returns what changed between two codes.
    pub(in crate::realize) fn between(
        &self,
        store: &Store,
        old: CodeVersion<'_>,
        new: CodeVersion<'_>,
    ) -> Result<Arc<CodeChange>> {
        if let Some(known) = self.known(old.fingerprint, new.fingerprint) {
            return Ok(known);
        }
        let pair = fingerprints(old.fingerprint, new.fingerprint);
        let change = CodeChange::of(pair.clone(), old.text(store)?, new.text(store)?);
        let change = Arc::new(change);
        self.look().insert(pair, change.clone());
        Ok(change)
    }

    /// Returns what changed between the codes with these fingerprints, if it was looked up before.
    pub(in crate::realize) fn known(
        &self,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Option<Arc<CodeChange>> {
        self.look().get(&fingerprints(old, new)).cloned()
    }

    fn look(&self) -> MutexGuard<'_, HashMap<Fingerprints, Arc<CodeChange>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fingerprints(old: Option<&str>, new: Option<&str>) -> Fingerprints {
    (old.map(str::to_owned), new.map(str::to_owned))
}

impl CodeChange {
    fn of((old, new): Fingerprints, was: Option<CodeText>, is: Option<CodeText>) -> Self {
        let parts = was.zip(is).and_then(|((was, was_list), (is, is_list))| {
            let (was, is) = (sections(&was)?, sections(&is)?);
            let parts = differing(&was, &is).into_iter().map(|(mut part, at)| {
                let (list, sections) = match part.new {
                    Some(_) => (&is_list, &is),
                    None => (&was_list, &was),
                };
                // Without the text of an item it is not known which section is which item.
                let list = list
                    .as_ref()
                    .filter(|list| list.items.len() == sections.len());
                if let Some((list, item)) = list.and_then(|list| Some((list, list.items.get(at)?)))
                {
                    part.place = Some(item.place.to_string()).filter(|place| !place.is_empty());
                    part.reached_by = path_to(list, item);
                }
                part
            });
            Some(parts.collect())
        });
        CodeChange {
            old,
            new,
            parts: parts.unwrap_or_default(),
        }
    }
}

impl CodePart {
    /// Returns whether people call it by this word: by its name, as `normalise` or `Bump::at`, or by its kind and name.
    pub(in crate::realize) fn is_called(&self, word: &str) -> bool {
        let bare = |text: &str| text.replace('`', "");
        let name = || {
            let (_, rest) = self.what.split_once('`')?;
            Some(rest.rsplit_once('`')?.0)
        };
        bare(word) == bare(&self.what) || name() == Some(bare(word).as_str())
    }
}

/// The names from the stage to an item; empty if nothing tells.
fn path_to(list: &CodeList, item: &CodeItem) -> Vec<String> {
    let mut path = vec![item.name.to_string()];
    let mut from = item.from;
    // A list that is damaged may lead in a circle.
    let mut steps = 0;
    while let Some(item) = from.and_then(|from| list.items.get(from)) {
        // An `impl` is between a type and its methods, which have its name.
        if item.kind != "impl" {
            path.push(item.name.to_string());
        }
        from = item.from;
        steps += 1;
        if steps > list.items.len() {
            return Vec::new();
        }
    }
    path.reverse();
    path
}

/// Returns the parts that differ, each with the index of its section in the later code, or in the earlier one if it is gone.
fn differing(old: &[Section<'_>], new: &[Section<'_>]) -> Vec<(CodePart, usize)> {
    let mut left: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, section) in old.iter().enumerate() {
        let there = left.entry((section.kind, section.name)).or_default();
        there.push(at);
    }
    // Among helpers with the same name, match those with equal texts.
    let mut changed = Vec::new();
    for (at, section) in new.iter().enumerate() {
        let there = left.get_mut(&(section.kind, section.name));
        let equal = there.and_then(|there| {
            let at = there.iter().position(|at| old[*at].body == section.body)?;
            Some((at, there))
        });
        match equal {
            Some((at, there)) => drop(there.remove(at)),
            None => changed.push(at),
        }
    }
    let part = |section: &Section<'_>, old: Option<&str>, new: Option<&str>| CodePart {
        what: what(section.kind, section.name),
        old: old.map(str::to_owned),
        new: new.map(str::to_owned),
        place: None,
        reached_by: Vec::new(),
    };
    let mut parts = Vec::new();
    for at in changed {
        let section = &new[at];
        let there = left.get_mut(&(section.kind, section.name));
        let there = there.filter(|there| !there.is_empty());
        let was = there.map(|there| old[there.remove(0)].body);
        parts.push((part(section, was, Some(section.body)), at));
    }
    for at in left.into_values().flatten() {
        parts.push((part(&old[at], Some(old[at].body), None), at));
    }
    parts
}

fn what(kind: &str, name: &str) -> String {
    match kind {
        "uses" => format!("helper `{name}`"),
        "format" => format!("format of `{name}`"),
        "cfg" => format!("`cfg({name})`"),
        "env" => format!("variable `{name}`"),
        "environment" => match name.strip_prefix("crates.") {
            Some(name) => format!("version of the crate `{name}`"),
            None => format!("environment `{name}`"),
        },
        "use" => format!("import of `{}`", name.strip_prefix("use ").unwrap_or(name)),
        "for" => "type that a generic stage is for".to_owned(),
        kind if name.is_empty() => kind.to_owned(),
        kind => format!("{kind} `{name}`"),
    }
}

impl fmt::Display for CodePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (&self.old, &self.new) {
            (None, _) => "is new",
            (_, None) => "is gone",
            _ => "changed",
        };
        f.write_str(&self.what)?;
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        f.write_str(" ")?;
        f.write_str(how)?;
        // The stage itself, and what it names, need no words.
        match self.reached_by.len() {
            0..=2 => Ok(()),
            _ => write!(f, ", reached by {}", self.reached_by.join(" -> ")),
        }
    }
}

impl fmt::Display for CodeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.old, &self.new) {
            (None, _) => f.write_str("code: unknown for the earlier one"),
            (_, None) => f.write_str("code: unknown for this one"),
            (Some(old), Some(new)) if self.parts.is_empty() => {
                let short = |print: &str| print.get(..8).unwrap_or(print).to_owned();
                write!(
                    f,
                    "code: {} -> {}, whose texts were not saved",
                    short(old),
                    short(new)
                )
            }
            _ => {
                let parts: Vec<_> = self.parts.iter().map(ToString::to_string).collect();
                write!(f, "code: {}", parts.join(", "))
            }
        }
    }
}
