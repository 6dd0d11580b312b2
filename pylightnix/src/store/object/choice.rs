//! Matcher choices, as the build record of the consumer stores them.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

use crate::config::{DRefId, RRefId};

/// The choice of a matcher for one dependency of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecordedChoice {
    /// The matcher, as written in the stage or as it describes itself.
    pub matcher: String,
    /// The chosen realizations, sorted.
    pub took: Vec<RRefId>,
    /// The number of candidates: realizations with the wanted context that the code of that time had made.
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

/// Deserializes the valid choices and ignores the others: a build record must not become unreadable because of them.
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
