//! Whether a realization was made by the code of today.

use std::fmt;

use crate::lens::Omitted;
use crate::plan::Code;
use crate::store::{BuildHead, Clock};

/// Why a realization is stale: no record of a build, import or acceptance says that it comes from the code of today.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stale {
    /// Its stage, or a helper that the stage names in `uses`, is another today.
    Code {
        /// The fingerprint of the code that made it.
        was: String,
        /// The fingerprint of the code of today.
        is: String,
        /// Fields with a default that came since, which may be all that changed.
        added: Vec<String>,
    },
    /// A field that the config leaves out has another default today.
    Default {
        /// The field.
        field: String,
        /// The value with which it was made.
        was: serde_json::Value,
        /// The value of today.
        is: serde_json::Value,
    },
    /// A person made it, in place of its stage: see [`Stepping`](super::Stepping).
    ByHand,
    /// Nothing says which code made it.
    Unknown,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stale::Code { added, .. } if added.is_empty() => f.write_str("its code changed"),
            Stale::Code { added, .. } => {
                let added: Vec<_> = added.iter().map(|field| format!("`{field}`")).collect();
                let added = added.join(", ");
                write!(
                    f,
                    "its code changed, and {added} came with a default: if the old result stands, accept it, or pin \
                     the code with `#[stage(version = n)]` before adding fields"
                )
            }
            Stale::Default { field, was, is } => {
                write!(f, "the default of `{field}` changed from {was} to {is}")
            }
            Stale::ByHand => f.write_str(
                "it was made by hand: accept it, if it is to stand for what the stage makes",
            ),
            Stale::Unknown => {
                f.write_str("nothing says which code made it: accept it, or trust unknown results")
            }
        }
    }
}

/// Why the result of these builds is stale, or nothing if it is not.
pub(super) fn staleness<'a>(
    builds: impl Iterator<Item = BuildHead<'a>>,
    code: &Code,
    omitted: &Omitted,
    trust_unknown: bool,
) -> Option<Stale> {
    let mut known = false;
    let mut changed = None;
    let mut is_timed = false;
    // The newest last: what it says of a change is the nearest. One without a time is none.
    for build in builds {
        let Some(fingerprint) = build.fingerprint else {
            continue;
        };
        known = true;
        let then = build.omitted();
        let other = changed_default(&then, omitted);
        let why = match other {
            None if fingerprint == code.fingerprint() => return None,
            Some(default) if fingerprint == code.fingerprint() => default,
            _ if fingerprint == Code::by_hand().fingerprint() => Stale::ByHand,
            _ => {
                let added = omitted.keys().filter(|field| !then.contains_key(*field));
                Stale::Code {
                    was: fingerprint.to_owned(),
                    is: code.fingerprint().to_owned(),
                    added: added.cloned().collect(),
                }
            }
        };
        let this_is_timed = build.ended(Clock::now()).is_some();
        if this_is_timed || !is_timed {
            changed = Some(why);
            is_timed = this_is_timed;
        }
    }
    if known {
        changed
    } else {
        (!trust_unknown).then_some(Stale::Unknown)
    }
}

/// Whether a build was made by the code of today.
pub(super) fn is_current(build: &BuildHead<'_>, code: &Code, omitted: &Omitted) -> bool {
    build.fingerprint == Some(code.fingerprint())
        && changed_default(&build.omitted(), omitted).is_none()
}

/// A field that was left out with another value than today. One that the record does not know counts as equal.
pub(super) fn changed_default(then: &Omitted, omitted: &Omitted) -> Option<Stale> {
    omitted.iter().find_map(|(field, is)| {
        let was = then.get(field).filter(|was| *was != is)?;
        Some(Stale::Default {
            field: field.clone(),
            was: was.clone(),
            is: is.clone(),
        })
    })
}
