//! The choices of a run that builds nothing.

use std::sync::Arc;
use std::thread;

use crate::lens::AnyRRef;
use crate::plan::PlanGraph;
use crate::realize::foresee::foresee;
use crate::realize::lookup::prefetch::Prefetch;
use crate::realize::options::Realize;
use crate::realize::report::action::{Action, Foreseen};
use crate::{Error, ErrorKind, Result};

/// The maximum number of missing stages that an error lists.
const TOLD: usize = 10;

/// Returns the choice for each stage, or an error that lists the missing stages with the reasons.
pub(in crate::realize) fn realized(
    options: &Realize<'_>,
    graph: &PlanGraph,
) -> Result<Vec<Arc<[AnyRRef]>>> {
    let prefetch = Prefetch::new(&options.store, options.jobs);
    let actions = thread::scope(|scope| {
        let mut feed = prefetch.feed(scope);
        feed.add_all(graph);
        foresee(options, graph, Some(&feed.end()?))
    })?;
    let mut known = Vec::with_capacity(actions.len());
    let mut missing = Vec::new();
    let mut undecided = 0;
    for (stage, Foreseen { action, taken }) in graph.drefs().zip(actions) {
        let dref = stage.id();
        let (message, kind) = match (action, taken) {
            (Action::Reuse(_) | Action::Failed(_), Some(taken)) => {
                known.push(taken.rrefs);
                continue;
            }
            (Action::Fails(why), _) => (
                format!("stage `{}` cannot be realized: {why}", graph.titled(dref)),
                ErrorKind::Matcher,
            ),
            (Action::Carry { why, .. }, _) => (
                format!(
                    "the results of stage `{}` would be carried from another context: {}",
                    graph.titled(dref),
                    why.reason()
                ),
                ErrorKind::Missing,
            ),
            (Action::Build { reason, .. }, _) => (
                format!("stage `{}` would have to run: {reason}", graph.titled(dref)),
                ErrorKind::Missing,
            ),
            _ => {
                undecided += 1;
                continue;
            }
        };
        missing.push(Error::new(kind, message).with_help(format!("the derivation is {dref}")));
    }
    let not = missing.len() + undecided;
    if not == 0 {
        return Ok(known);
    }
    let message = match (graph.len(), not) {
        (1, _) => "the stage is not realized, and nothing was run".to_owned(),
        (all, 1) => format!("1 of {all} stages is not realized, and nothing was run"),
        (all, not) => format!("{not} of {all} stages are not realized, and nothing was run"),
    };
    let mut help = "`Realize::run` makes what is missing".to_owned();
    if undecided > 0 {
        help += &format!("; {undecided} more depend on what is missing");
    }
    if missing.len() > TOLD {
        help += &format!("; the first {TOLD} of the others are listed");
        missing.truncate(TOLD);
    }
    Err(Error::new(ErrorKind::Missing, message)
        .with_parts(missing)
        .with_help(help))
}
