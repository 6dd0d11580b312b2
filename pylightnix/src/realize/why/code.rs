//! Changes in the code of a stage.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

use crate::plan::{Section, sections};

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
        write!(f, "{} {how}", self.what)
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
