//! Dry runs.

use std::sync::Arc;

use crate::Result;
use crate::plan::PlanGraph;
use crate::realize::decide::arguments::{missing, why};
use crate::realize::foresee::foresee;
use crate::realize::options::Realize;
use crate::realize::report::action::{Action, DryPlan, Foreseen, Step};
use crate::realize::report::titles::Titles;
use crate::realize::why::explain;

pub(in crate::realize) fn dry_run(
    options: &Realize<'_>,
    graph: PlanGraph,
    explained: bool,
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
            Step { dref, action, why }
        });
    let mut plan = DryPlan {
        steps: steps.collect(),
        untold: 0,
        titles: Titles::of_graph(graph),
    };
    if explained {
        explain(&options.store, graph, &foreseen, &mut plan);
    }
    Ok(plan)
}
