//! What the plan of a run and that of a worker must agree on for a stage.

use serde::{Deserialize, Serialize};

use crate::config::{DRefId, RRefId};
use crate::lens::{AnyRRef, Chosen, Omitted};
use crate::plan::{AnyDRef, PlanGraph};
use crate::realize::lookup::recalled::Recalled;
use crate::{Error, ErrorKind, Result};

/// A stage of the plan of a run, with what was chosen for its dependencies, as a worker has to find it in its own plan.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::realize) struct StageTerms {
    pub(in crate::realize) dref: DRefId,
    /// What stands for the code in the plan of the run.
    fingerprint: Option<String>,
    omitted: Omitted,
    /// How many runs the stage has, and what is shown of its realizer and its matcher.
    recipe: String,
    /// What was chosen for each direct dependency.
    chosen: Vec<(DRefId, Vec<RRefId>)>,
}

impl StageTerms {
    pub(in crate::realize) fn new(stage: &AnyDRef, chosen: &Chosen) -> Self {
        let node = stage.node();
        let ids = |rrefs: &[AnyRRef]| rrefs.iter().map(|rref| rref.id().clone()).collect();
        let chosen = chosen
            .iter()
            .map(|(dref, rrefs)| (dref.clone(), ids(rrefs)));
        StageTerms {
            dref: stage.id().clone(),
            fingerprint: fingerprint_of(stage),
            omitted: node.omitted().clone(),
            recipe: recipe_of(stage),
            chosen: chosen.collect(),
        }
    }

    /// Whether anything was chosen for dependencies.
    pub(in crate::realize) fn has_context(&self) -> bool {
        !self.chosen.is_empty()
    }

    /// Reads what was chosen.
    pub(in crate::realize) fn chosen(&self, recalled: &mut Recalled<'_>) -> Result<Chosen> {
        let mut chosen = Vec::new();
        for (dref, rrefs) in &self.chosen {
            chosen.push((dref.clone(), recalled.all(rrefs)?));
        }
        Ok(Chosen::new(chosen))
    }

    /// Returns the index of the stage in the plan of a worker. Fails with the first difference between the two plans.
    pub(in crate::realize) fn place(&self, graph: &PlanGraph) -> Result<usize> {
        let differs = |what: &str| {
            let message = format!(
                "the plan differs in the process of stage `{}`: {what}",
                self.dref.name()
            );
            Error::new(ErrorKind::Plan, message).with_help(
                "a worker makes the plan again, with the same program and the same arguments: what the plan depends on beside those, such \
                 as the time, a file or a variable, it has to ask the run for",
            )
        };
        let Some(at) = graph.place(&self.dref) else {
            return Err(differs("the stage is not in it"));
        };
        let stage = graph.dref(at);
        if fingerprint_of(stage) != self.fingerprint {
            return Err(differs("the code of the stage is another"));
        }
        if *stage.node().omitted() != self.omitted {
            return Err(differs("its omitted values are others"));
        }
        if recipe_of(stage) != self.recipe {
            return Err(differs("its matcher or its realizer is another"));
        }
        let deps = graph.deps(at).iter().map(|dep| graph.dref(*dep).id());
        let mut deps: Vec<_> = deps.collect();
        deps.sort_unstable();
        if !deps
            .into_iter()
            .eq(self.chosen.iter().map(|(dref, _)| dref))
        {
            return Err(differs("its dependencies are others"));
        }
        Ok(at)
    }
}

fn fingerprint_of(stage: &AnyDRef) -> Option<String> {
    let code = stage.node().code();
    code.map(|code| code.fingerprint().to_owned())
}

fn recipe_of(stage: &AnyDRef) -> String {
    let node = stage.node();
    format!("{} of {}, {:?}", node.nouts(), node.matcher(), node.note())
}
