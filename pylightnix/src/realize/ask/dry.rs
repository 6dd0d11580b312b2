//! Dry runs.

use std::sync::Arc;

use super::at_remotes;
use crate::Result;
use crate::plan::{AnyDRef, PlanGraph};
use crate::realize::decide::arguments::{missing, why};
use crate::realize::decide::sealed::unsealed;
use crate::realize::foresee::foresee;
use crate::realize::options::Realize;
use crate::realize::report::action::{Action, DryPlan, Foreseen, Step};
use crate::realize::report::titles::Titles;
use crate::realize::why::explain;

/// How much a dry run tells besides what would be done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::realize) enum Explained {
    No,
    /// What changed.
    Changes,
    /// What changed, and what remotes have.
    WithRemotes,
}

pub(in crate::realize) fn dry_run(
    options: &Realize<'_>,
    graph: PlanGraph,
    explained: Explained,
) -> Result<DryPlan> {
    let graph = &Arc::new(graph);
    let foreseen = foresee(options, graph, None)?;
    let steps = graph
        .drefs()
        .zip(&foreseen)
        .map(|(stage, Foreseen { action, .. })| {
            let missing = missing(options, stage);
            let action = match action.clone() {
                Action::Build { .. } | Action::Undecided { .. } if !missing.is_empty() => {
                    Action::Fails(why(&missing))
                }
                action => action,
            };
            let dref = stage.id().clone();
            let why = None;
            let sealed = None;
            let at_remotes = Vec::new();
            Step {
                dref,
                action,
                why,
                sealed,
                at_remotes,
            }
        });
    let mut plan = DryPlan {
        steps: steps.collect(),
        untold: 0,
        titles: Titles::of_graph(graph),
    };
    if graph.any_recipe(|stage| options.sealing(stage.node()).is_some()) {
        for ((stage, foreseen), step) in graph.drefs().zip(&foreseen).zip(&mut plan.steps) {
            step.sealed = is_sealed(options, stage, foreseen);
        }
    }
    if explained != Explained::No {
        explain(&options.store, graph, &foreseen, &mut plan);
    }
    if explained == Explained::WithRemotes {
        at_remotes::add(options, graph, &foreseen, &mut plan)?;
    }
    Ok(plan)
}

/// Returns whether the results of a stage were made sealed, or will be; `None` if it depends on others.
fn is_sealed(options: &Realize<'_>, stage: &AnyDRef, foreseen: &Foreseen) -> Option<bool> {
    let node = stage.node();
    match (&foreseen.action, &foreseen.taken) {
        (_, Some(taken)) => {
            let mut rrefs = taken.rrefs.iter();
            Some(rrefs.all(|rref| unsealed(node, rref.realization()).is_none()))
        }
        (Action::Build { .. }, None) => {
            Some(!node.leaves_the_process() || options.sealing(node).is_some())
        }
        _ => None,
    }
}
