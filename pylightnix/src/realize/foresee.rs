//! Predicts what a run would do for each stage of a plan, without running anything.

use std::collections::BTreeSet;

use super::decide::carry::{Carryable, carryable, may_carry};
use super::decide::decision::{Decision, DecisionInput};
use super::decide::pinned::refused;
use super::failure::recorded::is_failure;
use super::lookup::prefetch::Lookups;
use super::options::Realize;
use super::report::action::{Action, Foreseen};
use super::report::reason::Reason;
use super::report::taken::Taken;
use super::resources::needs::{shortage, total};
use super::walk::walk;
use crate::Result;
use crate::config::DRefId;
use crate::plan::PlanGraph;

/// Returns what a run with all run-time arguments would do for each stage.
pub(super) fn foresee<'a>(
    options: &'a Realize<'a>,
    graph: &'a PlanGraph,
    lookups: Option<&'a Lookups<'a>>,
) -> Result<Vec<Foreseen>> {
    let refused = refused(options, graph)?;
    let total = total(options);
    let mut actions = Vec::with_capacity(graph.len());
    let taken = walk(options, graph, lookups, |visit| {
        let dref = visit.stage.id();
        let unknown = visit.unknown_deps();
        // Without any realization, the choices for the dependencies do not matter.
        let is_decided = unknown.is_empty() || options.store.rrefs_of(dref)?.is_empty();
        let (action, taken) = if let Some(taken) = options.given.get(dref) {
            (reused(taken), Some(taken.clone()))
        } else if let Some(why) = refused.get(&visit.at) {
            (Action::Fails(why.clone()), None)
        } else if is_decided {
            visit.with_input(|input| Ok(decided(options, input)))?
        } else if options.is_forced(dref) {
            let runs = visit.stage.node().nouts();
            let reason = Reason::Forced;
            (Action::Build { runs, reason }, None)
        } else {
            let ids = unknown.iter().map(|at| graph.dref(*at).id().clone());
            let waits_for: Vec<_> = ids.collect();
            let unknown = waits_for.iter().cloned().collect();
            let carried = visit.with_input(|input| Ok(found(options, input, &unknown)))?;
            let carried = carried.map(|found| found.why);
            (Action::Undecided { waits_for, carried }, None)
        };
        actions.push(match (shortage(&total, graph, visit.stage), action) {
            (Some(lack), Action::Build { .. } | Action::Undecided { .. }) => {
                Action::Fails(lack.to_string())
            }
            (_, action) => action,
        });
        Ok(taken)
    })?;
    let both = actions.into_iter().zip(taken);
    Ok(both
        .map(|(action, taken)| Foreseen { action, taken })
        .collect())
}

/// Returns the results from elsewhere that would count, if there are any. What cannot be read counts as none, as a run finds out
/// again.
fn found(
    options: &Realize<'_>,
    input: &DecisionInput<'_>,
    unknown: &BTreeSet<DRefId>,
) -> Option<Carryable> {
    if !options.cut_off {
        return None;
    }
    let policy = options.policy(input.dref.id());
    carryable(input, unknown, policy).ok().flatten()
}

/// Returns the action on a stage whose choice is known.
fn reused(taken: &Taken) -> Action {
    let mut ids = taken.rrefs.iter().map(|rref| rref.id().clone());
    match ids.next() {
        Some(id) if is_failure(&taken.rrefs) => Action::Failed(id),
        first => Action::Reuse(first.into_iter().chain(ids).collect()),
    }
}

fn decided(options: &Realize<'_>, input: &DecisionInput<'_>) -> (Action, Option<Taken>) {
    let action = match input.decide(options.policy(input.dref.id())) {
        Ok(Decision::Take { taken, .. }) => {
            return (reused(&taken), Some(taken));
        }
        Ok(Decision::Build { due, reason }) => {
            let policy = options.policy(input.dref.id());
            let carried = match may_carry(policy, &reason) {
                true => found(options, input, &BTreeSet::new()),
                false => None,
            };
            match carried {
                Some(Carryable { results, why }) => Action::Carry {
                    from: results.into_iter().map(|(from, _)| from.id).collect(),
                    why,
                },
                None => Action::Build {
                    runs: due.len(),
                    reason,
                },
            }
        }
        Ok(Decision::Never(why)) => Action::Fails(why),
        Err(error) => Action::Fails(format!("{error:?}")),
    };
    (action, None)
}
