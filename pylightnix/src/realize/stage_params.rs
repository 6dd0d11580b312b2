//! The parameters that build records tell: those of the targets that a stage belongs to.

use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

use crate::Result;
use crate::config::DRefId;
use crate::plan::{AnyDRef, PlanGraph};
use crate::store::GivenParams;

/// The parameters of each stage of a run.
#[derive(Clone, Default)]
pub(crate) struct StageParams {
    /// Those of stages that are in no target's plan.
    others: GivenParams,
    each: HashMap<DRefId, GivenParams>,
}

impl StageParams {
    /// The same parameters for every stage.
    pub(crate) fn all(params: GivenParams) -> Self {
        StageParams {
            others: params,
            each: HashMap::new(),
        }
    }

    /// The parameters of these stages.
    pub(in crate::realize) fn of_each(
        each: impl IntoIterator<Item = (DRefId, GivenParams)>,
    ) -> Self {
        StageParams {
            others: GivenParams::default(),
            each: each.into_iter().collect(),
        }
    }

    /// For each stage what is alike in the parameters of the targets whose plans have it.
    ///
    /// # Errors
    /// A plan contradicts itself.
    pub(crate) fn of_targets(targets: &[(GivenParams, Vec<AnyDRef>)]) -> Result<Self> {
        let Some((first, _)) = targets.first() else {
            return Ok(StageParams::default());
        };
        if targets.iter().all(|(params, _)| params == first) {
            return Ok(StageParams::all(first.clone()));
        }
        let mut having: HashMap<DRefId, Vec<usize>> = HashMap::new();
        for (at, (_, stages)) in targets.iter().enumerate() {
            for stage in PlanGraph::of(stages)?.drefs() {
                having.entry(stage.id().clone()).or_default().push(at);
            }
        }
        let mut known: HashMap<Vec<usize>, GivenParams> = HashMap::new();
        let mut alike_in = |of: Vec<usize>| match known.get(&of) {
            Some(params) => params.clone(),
            None => {
                let params = alike(of.iter().map(|at| &targets[*at].0));
                known.insert(of, params.clone());
                params
            }
        };
        let all = (0..targets.len()).collect();
        let others = alike_in(all);
        let each = having.into_iter();
        let each = each.map(|(dref, of)| (dref, alike_in(of))).collect();
        Ok(StageParams { others, each })
    }

    /// Returns the parameters of a stage.
    pub(in crate::realize) fn of(&self, dref: &DRefId) -> GivenParams {
        self.each.get(dref).unwrap_or(&self.others).clone()
    }
}

/// Returns the values that are the same everywhere.
fn alike<'p>(mut all: impl Iterator<Item = &'p GivenParams>) -> GivenParams {
    let mut params: BTreeMap<String, Value> = match all.next() {
        Some(first) => (**first).clone(),
        None => BTreeMap::new(),
    };
    for other in all {
        params.retain(|key, value| other.get(key) == Some(value));
    }
    params.into()
}
