//! What remotes have of the stages of a plan that a run would have to do.

use crate::Result;
use crate::plan::PlanGraph;
use crate::realize::decide::context::{chosen_for, context_of};
use crate::realize::lookup::remotes::{is_by, newest_by};
use crate::realize::options::Realize;
use crate::realize::report::action::{DryPlan, Foreseen};
use crate::realize::report::at_remote::AtRemote;
use crate::store::Context;
use crate::store::remote::RemoteView;

/// Adds to each step that is to be done what the remotes of the options have. Each remote is asked once, for its index; none if there is
/// nothing to do.
pub(super) fn add(
    options: &Realize<'_>,
    graph: &PlanGraph,
    foreseen: &[Foreseen],
    plan: &mut DryPlan,
) -> Result<()> {
    let Some(remotes) = options.remotes() else {
        return Ok(());
    };
    if plan.steps.iter().all(|step| step.action.is_there()) {
        return Ok(());
    }
    for remote in remotes.in_use() {
        let view = RemoteView::read(remote.handle(), &options.store)?;
        for (at, step) in plan.steps.iter_mut().enumerate() {
            let node = graph.dref(at).node();
            let Some(code) = node.code().filter(|_| !step.action.is_there()) else {
                continue;
            };
            let context = known_context(graph, foreseen, at);
            let mut there = AtRemote {
                remote: remote.name.clone(),
                results: 0,
                of_other_contexts: 0,
                by_other_code: 0,
            };
            for listed in view.listed_of(graph.dref(at).id()) {
                let counts = newest_by(&listed, code).is_some()
                    || (options.trust_unknown && listed.builds().any(|build| is_by(&build, None)));
                let is_of_context = context
                    .as_ref()
                    .is_none_or(|known| *known == listed.context());
                match (counts, is_of_context) {
                    (true, true) => there.results += 1,
                    (true, false) => there.of_other_contexts += 1,
                    (false, _) => there.by_other_code += 1,
                }
            }
            step.at_remotes.push(there);
        }
    }
    Ok(())
}

/// Returns the context of a stage, if the choices for all its dependencies are known.
fn known_context(graph: &PlanGraph, foreseen: &[Foreseen], at: usize) -> Option<Context> {
    let is_known = |dep: &usize| foreseen[*dep].taken.is_some();
    let are_known = graph.deps(at).iter().all(is_known);
    are_known.then(|| context_of(&chosen_for(graph, at, |dep| foreseen[dep].rrefs())))
}
