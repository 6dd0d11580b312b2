//! From choices to contexts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decide::Taken;
use crate::config::DRefId;
use crate::lens::{AnyRRef, Chosen};
use crate::plan::{Graph, GraphStage};
use crate::store::{Context, RecordedChoice};

/// What was chosen for the direct dependencies of `stage`.
pub(super) fn chosen_for(
    graph: &Graph,
    stage: &GraphStage,
    of: impl Fn(usize) -> Option<Arc<[AnyRRef]>>,
) -> Chosen {
    Chosen::new(
        stage
            .deps
            .iter()
            .filter_map(|&at| Some((graph.stages[at].dref.id().clone(), of(at)?))),
    )
}

/// The references in it.
pub(super) fn context_of(chosen: &Chosen) -> Context {
    chosen
        .iter()
        .flat_map(|(_, rrefs)| rrefs.iter().map(|rref| rref.id().clone()))
        .collect()
}

/// What was chosen for each dependency of `stage`, and how.
pub(super) fn choices<'a>(
    graph: &Graph,
    stage: &GraphStage,
    of: impl Fn(usize) -> Option<&'a Taken>,
) -> BTreeMap<DRefId, RecordedChoice> {
    let deps = stage.deps.iter();
    deps.filter_map(|dep| {
        let Taken { rrefs, from } = of(*dep)?;
        let dref = &graph.stages[*dep].dref;
        let took = rrefs.iter().map(|rref| rref.id().clone()).collect();
        let choice = RecordedChoice::new(dref.node().matcher(), took, *from);
        Some((dref.id().clone(), choice))
    })
    .collect()
}
