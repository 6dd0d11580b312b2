//! What the value of a parameter changes in a plan.

use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::Result;
use crate::config::DRefId;
use crate::plan::{AnyDRef, PlanGraph};

/// What is another thing in a plan because a parameter has another value than its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "changes", rename_all = "snake_case")]
pub enum ParamEffect {
    /// The derivations.
    Identity,
    /// Only the values of fields that are in no identity: `#[config(unhashed)]`.
    Unhashed {
        /// Each field, behind the name of its stage.
        fields: BTreeSet<(String, String)>,
    },
    /// No derivation and no such field.
    NoIdentity,
}

impl ParamEffect {
    /// Compares two plans, of which one is with the value and one with the default.
    ///
    /// # Errors
    /// A plan contradicts itself.
    pub fn between(one: &[AnyDRef], other: &[AnyDRef]) -> Result<Self> {
        let (one, other) = (stages(one)?, stages(other)?);
        if !one.keys().eq(other.keys()) {
            return Ok(ParamEffect::Identity);
        }
        let mut fields = BTreeSet::new();
        for (dref, values) in &one {
            let others = &other[dref];
            let differing = values
                .iter()
                .filter(|(key, value)| others.get(*key) != Some(value));
            fields.extend(differing.map(|(key, _)| (dref.name().to_string(), key.clone())));
        }
        Ok(match fields.is_empty() {
            true => ParamEffect::NoIdentity,
            false => ParamEffect::Unhashed { fields },
        })
    }
}

/// Returns the stages of a plan, with the values that are in no identity.
fn stages(plan: &[AnyDRef]) -> Result<BTreeMap<DRefId, BTreeMap<String, Value>>> {
    let graph = PlanGraph::of(&plan.to_vec())?;
    let stages = graph.drefs();
    let stages = stages.map(|dref| Ok((dref.id().clone(), dref.node().unhashed()?)));
    stages.collect()
}

impl fmt::Display for ParamEffect {
    /// Says nothing of what every parameter should do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParamEffect::Identity => Ok(()),
            ParamEffect::Unhashed { fields } => {
                let named = fields
                    .iter()
                    .map(|(stage, field)| format!("`{field}` of `{stage}`"));
                let named: Vec<_> = named.collect();
                write!(f, "unhashed: it is only in {}", named.join(", "))
            }
            ParamEffect::NoIdentity => f.write_str("in no identity"),
        }
    }
}
