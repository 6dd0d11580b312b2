//! What a matcher chose for a dependency, as the build record of its consumer keeps it.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

use crate::config::{DRefId, RRefId};

/// What a matcher chose for one dependency of a build, and from how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedChoice {
    /// The matcher, as it was written in the stage, or as it describes itself.
    pub matcher: String,
    /// What it chose, sorted.
    pub took: Vec<RRefId>,
    /// How many realizations it chose among: those with the wanted context that the code of that day had made.
    pub from: usize,
}

impl RecordedChoice {
    pub(crate) fn new(matcher: String, took: Vec<RRefId>, from: usize) -> Self {
        RecordedChoice {
            matcher,
            took,
            from,
        }
    }
}

/// Reads the choices that can be understood, and passes over the others: a build record is worth more than they are.
pub(in crate::store) fn understood<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<DRefId, RecordedChoice>, D::Error> {
    let serde_json::Value::Object(choices) = serde_json::Value::deserialize(from)? else {
        return Ok(BTreeMap::new());
    };
    let read = |(dref, choice): (String, _)| {
        let choice = serde_json::from_value(choice).ok()?;
        Some((dref.parse().ok()?, choice))
    };
    Ok(choices.into_iter().filter_map(read).collect())
}
