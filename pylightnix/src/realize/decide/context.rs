//! The context of a stage, computed from the choices for its dependencies.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::DRefId;
use crate::lens::{AnyRRef, Chosen};
use crate::plan::PlanGraph;
use crate::realize::report::taken::Taken;
use crate::store::{Context, RecordedChoice};

/// Returns the choices for the direct dependencies of the stage with index `at`. `of` maps an index to the choice.
pub(in crate::realize) fn chosen_for(
    graph: &PlanGraph,
    at: usize,
    of: impl Fn(usize) -> Option<Arc<[AnyRRef]>>,
) -> Chosen {
    if graph.deps(at).is_empty() {
        return Chosen::none();
    }
    let deps = graph.deps(at).iter();
    Chosen::new(deps.map(|&dep| {
        let dref = graph.dref(dep).id().clone();
        (dref, of(dep).unwrap_or_default())
    }))
}

/// Returns the context: the references of all chosen realizations.
pub(in crate::realize) fn context_of(chosen: &Chosen) -> Context {
    if chosen.iter().all(|(_, rrefs)| rrefs.len() == 1) {
        return Context::sorted(chosen.iter().map(|(_, rrefs)| rrefs[0].id().clone()));
    }
    let count = chosen.iter().map(|(_, rrefs)| rrefs.len()).sum();
    let mut context = Vec::with_capacity(count);
    for (_, rrefs) in chosen.iter() {
        context.extend(rrefs.iter().map(|rref| rref.id().clone()));
    }
    context.into()
}

/// Returns, for a build record, the choice for each dependency of the stage with index `at`, and the matcher that made it.
pub(in crate::realize) fn recorded_choices<'a>(
    graph: &PlanGraph,
    at: usize,
    of: impl Fn(usize) -> Option<&'a Taken>,
) -> BTreeMap<DRefId, RecordedChoice> {
    let deps = graph.deps(at).iter();
    deps.filter_map(|dep| {
        let Taken { rrefs, from } = of(*dep)?;
        let dref = graph.dref(*dep);
        let took = rrefs.iter().map(|rref| rref.id().clone()).collect();
        let choice = RecordedChoice::new(dref.node().matcher(), took, *from);
        Some((dref.id().clone(), choice))
    })
    .collect()
}
