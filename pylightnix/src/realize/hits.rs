//! Stages that have nothing to choose: what is there for them is one realization.
//!
//! Most stages of most runs are so, and few of their realizations are ever looked into. So a hit is only noted: which of what
//! a look found it is. Its realization is made when somebody asks for it, and so are those that it was made from.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::ahead::Looks;
use crate::config::RRefId;
use crate::lens::{AnyRRef, Choices, Chosen, ChosenList};
use crate::plan::Graph;
use crate::store::{BuildHead, Context, Outcome, Store};

/// The hits of a run. A stage is one only if all that it depends on are.
pub(super) struct Hits {
    /// The folder of all derivations: a realization does not keep a store open.
    objects: Arc<Path>,
    graph: Arc<Graph>,
    looks: Arc<Looks>,
    all: Vec<OnceLock<Hit>>,
}

/// Which realization it is, of those that a look found.
struct Hit {
    hash: [u8; 16],
    place: usize,
}

impl Hits {
    /// None yet.
    pub(super) fn new(store: &Store, graph: &Arc<Graph>, looks: &Arc<Looks>) -> Self {
        let mut all = Vec::with_capacity(looks.len());
        all.resize_with(looks.len(), OnceLock::new);
        Hits {
            objects: store.objects().clone(),
            graph: graph.clone(),
            looks: looks.clone(),
            all,
        }
    }

    /// Whether the stage is one.
    pub(super) fn is_hit(&self, at: usize) -> bool {
        self.all[at].get().is_some()
    }

    /// Notes the stage as one if, of what was found for it, one realization alone was made from the hits that it depends on,
    /// and it is no failure, and its builds are current. Says whether that is so.
    ///
    /// Its matcher has to be one that takes the only one.
    pub(super) fn note(
        &self,
        at: usize,
        is_current: impl FnOnce(&mut dyn Iterator<Item = BuildHead<'_>>) -> bool,
    ) -> bool {
        let deps = self.graph.deps(at);
        if !deps.iter().all(|dep| self.is_hit(*dep)) {
            return false;
        }
        let Some(Some(look)) = self.looks.get(at) else {
            return false;
        };
        let hit = |dep: &usize| Some((&self.all[*dep].get()?.hash, self.graph.hash(*dep)));
        let Some(sole) = look.sole(|| deps.iter().filter_map(hit)) else {
            return false;
        };
        if sole.outcome() != Outcome::Ok || !is_current(&mut sole.heads()) {
            return false;
        }
        let (hash, place) = (*sole.hash(), sole.place());
        let _ = self.all[at].set(Hit { hash, place });
        true
    }

    /// The reference of the realization, if the stage is one.
    pub(super) fn id(&self, at: usize) -> Option<RRefId> {
        let Hit { hash, .. } = self.all[at].get()?;
        let dref = self.graph.dref(at).id();
        Some(RRefId::new(*hash, dref.clone()))
    }

    /// The realization, if the stage is one.
    pub(super) fn rref(self: &Arc<Self>, at: usize) -> Option<AnyRRef> {
        let Hit { place, .. } = self.all[at].get()?;
        let look = self.looks.get(at)?.as_ref()?;
        let deps = self.graph.deps(at);
        let (context, chosen) = match deps.is_empty() {
            true => (Context::empty(), Chosen::none()),
            false => (
                Context::sorted(deps.iter().filter_map(|dep| self.id(*dep))),
                Chosen::later(self.clone(), at),
            ),
        };
        let dref = self.graph.dref(at);
        let found = look.realization_at(*place, dref.id(), &context, &self.objects)?;
        Some(dref.realization(found, &chosen, None))
    }
}

impl Choices for Hits {
    fn chosen_for(self: Arc<Self>, at: usize) -> ChosenList {
        let deps = self.graph.deps(at).iter();
        let chosen = deps.filter_map(|dep| {
            let dref = self.graph.dref(*dep).id().clone();
            Some((dref, [self.rref(*dep)?].into()))
        });
        chosen.collect()
    }
}
