//! From choices to contexts.

use std::sync::Arc;

use crate::lens::{AnyRRef, Chosen};
use crate::plan::{Graph, GraphStage};
use crate::store::Context;

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
