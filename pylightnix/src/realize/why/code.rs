//! What changed in the code of a stage.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

use crate::plan::{Section, sections};

/// Other code: its fingerprints, and what the texts that were kept of them tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CodeChange {
    /// The fingerprint of the earlier code; `None` if nothing says which that was.
    pub old: Option<String>,
    /// The fingerprint of the later code; `None` if nothing says which that was.
    pub new: Option<String>,
    /// The functions and other parts that differ; none if one of the texts was not kept.
    pub parts: Vec<CodePart>,
}

/// A part of the code of a stage that differs: its function, a helper, the format of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CodePart {
    /// What it is, for people: "stage `train`", "helper `loss`".
    pub what: String,
    /// Its text in the earlier code, laid out in lines and without comments; `None` if it was not there. A stage with a
    /// `version` has that for its text.
    pub old: Option<String>,
    /// Its text in the later code.
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
    // Of helpers with one name, those that are the same belong together.
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
            (None, _) => f.write_str("code: nothing says which code made the earlier one"),
            (_, None) => f.write_str("code: nothing says which code made this one"),
            (Some(old), Some(new)) if self.parts.is_empty() => {
                let short = |print: &str| print.get(..8).unwrap_or(print).to_owned();
                write!(
                    f,
                    "code: {} -> {}, of which the texts were not kept",
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
