//! What a run looked at in the realizations that it was made from, as its build record tells.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;

use crate::config::DRefId;

/// What a run of a stage looked at in the realizations of its direct and indirect dependencies, each named by its place. A place
/// is the same in every context of the derivation, whatever is there.
///
/// Digests are not recorded: what was at a place is told by the context of the realization, which is kept as long as it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reads(Vec<Read>);

/// What a run looked at in the realization at one place.
///
/// ```
/// use pylightnix::store::Read;
///
/// let read: Read = serde_json::from_str(
///     r#"{"of": [["dref:7c308bad0e7fa364790b71e6ffab924a-clean", 0]], "artifacts": ["table.csv"]}"#,
/// )?;
/// assert_eq!(read.of[0].0.name().as_str(), "clean");
/// assert!(read.artifacts.contains("table.csv") && !read.all);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// Strict: a kind of read that only a later version knows must not be taken for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Read {
    /// The place: the steps from the stage to the realization. Each is a dependency of the step before, and the position in the
    /// list of the realizations chosen for it, from 0. Empty for the stage itself.
    pub of: Vec<(DRefId, usize)>,
    /// The paths of the artifacts whose content was read, relative to the folder of artifacts, with `/` as separator. What is in a
    /// folder belongs to it, and so does what a link leads to. Empty with `all`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub artifacts: BTreeSet<String>,
    /// The paths of artifacts that were given away by a stage which promised to go from them to no other
    /// (`#[stage(reads = artifacts)]`). Anything in the folder may have been read if it does not promise that any more. Empty with `all`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub paths: BTreeSet<String>,
    /// Whether anything in the folder of artifacts may have been read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub all: bool,
    /// Whether the reference, the builds or the context of the realization were read, which are others in each context.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reference: bool,
    /// Whether it was asked if the realization is a failure; if so, its text was read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub outcome: bool,
    /// The dependencies of what is at the place for which the number of realizations was read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub numbers: BTreeSet<DRefId>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Reads {
    /// Creates the list of what was read at each place.
    pub(crate) fn new(reads: Vec<Read>) -> Self {
        Reads(reads)
    }

    /// Iterates over the places at which anything was read.
    pub fn iter(&self) -> impl Iterator<Item = &Read> {
        self.0.iter()
    }
}

/// Deserializes reads; `None` if they are not understood, so that the build record stays readable.
pub(in crate::store) fn understood<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Reads>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}
