//! Changes in the code of a stage.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

use crate::plan::{Code, Section, sections};
use crate::store::{CodeItem, CodeList, Store, hash_of};
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

impl CodeChange {
    pub(super) fn of(
        (old, old_text): (Option<&str>, Option<String>),
        (new, new_text): (Option<&str>, Option<String>),
    ) -> Self {
        let parts = old_text.zip(new_text).and_then(|(old, new)| {
            let (old, new) = (sections(&old)?, sections(&new)?);
            Some(differing(&old, &new))
        });
        CodeChange {
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
            parts: parts.unwrap_or_default(),
        }
    }
}

impl CodeChange {
    /// Adds to each part where it is and how the stage reaches it, as the lists of both versions tell.
    pub(super) fn with_places(mut self, old: Option<&CodeList>, new: Option<&CodeList>) -> Self {
        for part in &mut self.parts {
            let list = if part.new.is_some() { new } else { old };
            let Some(list) = list else { continue };
            let of_part = |item: &&CodeItem| what(&item.kind, &item.name) == part.what;
            // Of several with the same name, the one that has this text.
            let text = part.new.as_ref().or(part.old.as_ref());
            let has_text =
                |item: &&CodeItem| text.is_some_and(|text| hash_of(&item.kind, text) == item.hash);
            let same = || list.items.iter().filter(of_part);
            let Some(item) = same().find(has_text).or_else(|| same().next()) else {
                continue;
            };
            part.place = Some(item.place.to_string()).filter(|place| !place.is_empty());
            part.reached_by = path_to(list, item);
        }
        self
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

/// Returns what changed between the code with this fingerprint and today's code of a stage.
pub(in crate::realize) fn change_since(
    store: &Store,
    was: &str,
    code: &Code,
) -> Result<CodeChange> {
    let text = match store.code(was) {
        // A fingerprint that is not a valid file name has no text; an unreadable text is ignored.
        Err(error) if error.kind() != ErrorKind::Io => None,
        text => text?,
    };
    let now = (Some(code.fingerprint()), Some(code.text()));
    Ok(CodeChange::of((Some(was), text), now))
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

fn differing(old: &[Section<'_>], new: &[Section<'_>]) -> Vec<CodePart> {
    let mut left: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for Section { kind, name, body } in old {
        left.entry((kind, name)).or_default().push(body);
    }
    let mut parts = Vec::new();
    let mut part = |kind: &str, name: &str, old: Option<&str>, new: Option<&str>| {
        if old != new {
            parts.push(CodePart {
                what: what(kind, name),
                old: old.map(str::to_owned),
                new: new.map(str::to_owned),
                place: None,
                reached_by: Vec::new(),
            });
        }
    };
    // Among helpers with the same name, match those with equal texts.
    let mut changed = Vec::new();
    for Section { kind, name, body } in new {
        let there = left.get_mut(&(*kind, *name));
        match there.and_then(|old| Some((old.iter().position(|old| old == body)?, old))) {
            Some((at, old)) => drop(old.remove(at)),
            None => changed.push((*kind, *name, *body)),
        }
    }
    for (kind, name, body) in changed {
        let there = left.get_mut(&(kind, name)).filter(|old| !old.is_empty());
        part(kind, name, there.map(|old| old.remove(0)), Some(body));
    }
    for ((kind, name), bodies) in left {
        for body in bodies {
            part(kind, name, Some(body), None);
        }
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
