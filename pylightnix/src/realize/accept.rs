//! Saying that an old result stands.

use std::collections::HashSet;
use std::sync::Arc;

use super::context::{chosen_for, context_of};
use super::decide::{Decision, Found, Mode, Scene};
use crate::config::{DRefId, RRefId};
use crate::lens::AnyRRef;
use crate::plan::{Graph, Target};
use crate::store::{BuildKind, BuildRecord, Store};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Says that the stale results of the stages of `target` stand although their code changed: each gets a record with
    /// the code of today. The stages that they depend on have to be realized or accepted before; see
    /// [`accept_all`](Self::accept_all). Gives what was accepted.
    ///
    /// # Errors
    /// A stage whose dependencies would have to be built first, or a store that cannot be written.
    pub fn accept<T: Target + ?Sized>(&self, target: &T) -> Result<Vec<RRefId>> {
        let mut wanted = HashSet::new();
        target.visit(&mut |dref| {
            wanted.insert(dref.id().clone());
        });
        accept_where(self, target, |dref| wanted.contains(dref))
    }

    /// Says that all stale results of a plan stand, those of the dependencies of `target` included. Gives what was
    /// accepted.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_all<T: Target + ?Sized>(&self, target: &T) -> Result<Vec<RRefId>> {
        accept_where(self, target, |_| true)
    }
}

fn accept_where<T: Target + ?Sized>(
    store: &Store,
    target: &T,
    wanted: impl Fn(&DRefId) -> bool,
) -> Result<Vec<RRefId>> {
    let graph = Graph::of(target)?;
    let stages = graph.drefs();
    store.use_derivations(stages.map(|stage| stage.id()))?;
    let mut known: Vec<Option<Arc<[AnyRRef]>>> = Vec::with_capacity(graph.len());
    let mut accepted = Vec::new();
    for (at, stage) in graph.drefs().enumerate() {
        let dref = stage.id();
        if let Some(dep) = graph.deps(at).iter().find(|at| known[**at].is_none()) {
            if wanted(dref) {
                let dep = graph.dref(*dep).id();
                let message = format!(
                    "stage `{}` cannot be accepted: `{}`, which it depends on, has to be built first",
                    graph.titled(dref),
                    graph.titled(dep),
                );
                return Err(Error::new(ErrorKind::Plan, message)
                    .help(format!(
                        "accept or realize what it depends on, then accept it\nit is about {dref}, and {dep}"
                    )));
            }
            known.push(None);
            continue;
        }
        let chosen = chosen_for(&graph, at, |at| known[at].clone());
        let context = context_of(&chosen);
        let scene = Scene {
            store,
            graph: &graph,
            dref: stage,
            chosen: &chosen,
            context: &context,
            trust_unknown: false,
            by_hand: &[],
            found: Found::Known,
            lookout: None,
        };
        if wanted(dref)
            && let Some(code) = stage.node().code()
        {
            for (rref, _) in scene.stale()? {
                store.save_code(code.fingerprint(), code.text())?;
                let mut record = BuildRecord::now(BuildKind::Accept);
                record.fingerprint = Some(code.fingerprint().to_owned());
                record.omitted = stage.node().omitted().clone();
                store.add_build(rref.id(), &record, None)?;
                accepted.push(rref.id().clone());
            }
        }
        known.push(match scene.decide(Mode::Usual)? {
            Decision::Take { taken, .. } => Some(taken.rrefs),
            Decision::Build { .. } | Decision::Never(_) => None,
        });
    }
    Ok(accepted)
}
