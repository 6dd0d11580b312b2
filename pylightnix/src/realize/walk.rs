//! A traversal of a plan in dependency order, in which each stage has the choices for the stages before it.
//!
//! A run traverses the plan differently, on several threads (`run/scheduler.rs`), and makes the same [`DecisionInput`] for
//! each stage.

use std::sync::Arc;

use super::decide::context::{chosen_for, context_of};
use super::decide::decision::{CandidateSource, DecisionInput};
use super::lookup::prefetch::Lookups;
use super::options::Realize;
use super::report::taken::Taken;
use crate::Result;
use crate::lens::AnyRRef;
use crate::plan::{AnyDRef, PlanGraph};

/// A visited stage, with the choices for the stages before it.
pub(super) struct Visit<'a> {
    options: &'a Realize<'a>,
    lookups: Option<&'a Lookups<'a>>,
    pub(super) graph: &'a PlanGraph,
    /// The index of the stage in the plan.
    pub(super) at: usize,
    pub(super) stage: &'a AnyDRef,
    /// The choice for each earlier stage; `None` if it is not known.
    taken: &'a [Option<Taken>],
}

/// Visits the stages of a plan in dependency order. `visit` returns the choice for the stage, if it is known. Without
/// `lookups`, each stage's snapshot is read when it is visited.
pub(super) fn walk<'a>(
    options: &'a Realize<'a>,
    graph: &'a PlanGraph,
    lookups: Option<&'a Lookups<'a>>,
    mut visit: impl FnMut(&Visit<'_>) -> Result<Option<Taken>>,
) -> Result<Vec<Option<Taken>>> {
    let mut taken = Vec::with_capacity(graph.len());
    for (at, stage) in graph.drefs().enumerate() {
        let here = visit(&Visit {
            options,
            lookups,
            graph,
            at,
            stage,
            taken: &taken,
        })?;
        taken.push(here);
    }
    Ok(taken)
}

impl Visit<'_> {
    /// Returns the indices of the direct dependencies whose choices are not known, in the order of the plan.
    pub(super) fn unknown_deps(&self) -> Vec<usize> {
        let deps = self.graph.deps(self.at).iter().copied();
        let mut unknown: Vec<_> = deps.filter(|dep| self.taken[*dep].is_none()).collect();
        unknown.sort_unstable();
        unknown
    }

    /// Calls `work` with the input of the decision on the stage. All direct dependencies should have choices; one without a
    /// choice counts as having no realization.
    pub(super) fn with_input<R>(
        &self,
        work: impl FnOnce(&DecisionInput<'_>) -> Result<R>,
    ) -> Result<R> {
        let chosen = chosen_for(self.graph, self.at, |dep| rrefs(&self.taken[dep]));
        let context = context_of(&chosen);
        let source = match self.lookups {
            Some(lookups) => CandidateSource::of(lookups, self.at)?,
            None => CandidateSource::Index,
        };
        work(&DecisionInput::of(
            self.options,
            self.graph,
            self.stage,
            &chosen,
            &context,
            source,
        ))
    }
}

fn rrefs(taken: &Option<Taken>) -> Option<Arc<[AnyRRef]>> {
    Some(taken.as_ref()?.rrefs.clone())
}
