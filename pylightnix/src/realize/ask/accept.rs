//! Acceptance: the user declares that stale results are still valid.

use std::collections::HashSet;

use crate::config::{DRefId, RRefId};
use crate::plan::{PlanGraph, Target};
use crate::realize::decide::decision::Decision;
use crate::realize::options::{Realize, ReusePolicy};
use crate::realize::walk::{Visit, walk};
use crate::store::{BuildKind, BuildRecord, Store};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Declares the stale results of the stages of `target` valid although their code changed: adds a record with today's
    /// code to each. The stages that they depend on have to be realized or accepted already; see
    /// [`accept_all`](Self::accept_all). Returns the accepted realizations.
    ///
    /// # Errors
    /// Fails if a dependency would have to be built first, or if the store cannot be written.
    pub fn accept<T: Target + ?Sized>(&self, target: &T) -> Result<Vec<RRefId>> {
        let mut wanted = HashSet::new();
        target.visit(&mut |dref| {
            wanted.insert(dref.id().clone());
        });
        accept_where(self, &PlanGraph::of(target)?, |dref| wanted.contains(dref))
    }

    /// Declares all stale results of a plan valid, including those of the dependencies of `target`. Returns the accepted
    /// realizations.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_all<T: Target + ?Sized>(&self, target: &T) -> Result<Vec<RRefId>> {
        accept_where(self, &PlanGraph::of(target)?, |_| true)
    }
}

fn accept_where(
    store: &Store,
    graph: &PlanGraph,
    wanted: impl Fn(&DRefId) -> bool,
) -> Result<Vec<RRefId>> {
    store.use_derivations(graph.drefs().map(|stage| stage.id()))?;
    let options = Realize::new(store);
    let mut accepted = Vec::new();
    walk(&options, graph, None, |visit| {
        let is_wanted = wanted(visit.stage.id());
        if let Some(dep) = visit.unknown_deps().first() {
            return match is_wanted {
                true => Err(has_to_be_built(visit, *dep)),
                false => Ok(None),
            };
        }
        visit.with_input(|input| {
            if is_wanted && let Some(code) = visit.stage.node().code() {
                for (rref, _) in input.stale()? {
                    code.save(store)?;
                    let mut record = BuildRecord::now(BuildKind::Accept);
                    record.fingerprint = Some(code.fingerprint().to_owned());
                    record.omitted = visit.stage.node().omitted().clone();
                    store.add_build(rref.id(), &record, None)?;
                    accepted.push(rref.id().clone());
                }
            }
            Ok(match input.decide(ReusePolicy::Usual)? {
                Decision::Take { taken, .. } => Some(taken),
                Decision::Build { .. } | Decision::Never(_) => None,
            })
        })
    })?;
    Ok(accepted)
}

/// Makes the error for a stage that cannot be accepted because its dependency with index `dep` is not realized.
fn has_to_be_built(visit: &Visit<'_>, dep: usize) -> Error {
    let (dref, dep) = (visit.stage.id(), visit.graph.dref(dep).id());
    let message = format!(
        "stage `{}` cannot be accepted: `{}`, which it depends on, has to be built first",
        visit.graph.titled(dref),
        visit.graph.titled(dep),
    );
    Error::new(ErrorKind::Plan, message).with_help(format!(
        "accept or realize what it depends on, then accept it\nthe derivations are {dref} and {dep}"
    ))
}
