//! Stages that have nothing to choose: what is there for them is one realization.
//!
//! Most stages of most runs are so, and few of their realizations are ever looked into. So a hit is only noted: which of what
//! a look found it is. Its realization is made when somebody asks for it, and so are those that it was made from.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::ahead::Looks;
use crate::config::RRefId;
use crate::fast_hash::FastMap;
use crate::lens::{AnyRRef, Choices, Chosen, ChosenList};
use crate::plan::Graph;
use crate::store::{Context, Outcome, Sole, Store};

/// The hits of a run. A stage is one only if all that it depends on are.
pub(super) struct Hits {
    /// The folder of all derivations: a realization does not keep a store open.
    objects: Arc<Path>,
    graph: Arc<Graph>,
    looks: Arc<Looks>,
    all: Vec<OnceLock<Hit>>,
    /// The realizations that somebody has, so that all have the same. They keep this, and not this them.
    made: Mutex<FastMap<usize, Weak<[AnyRRef]>>>,
}

/// Which realization it is, of those that a look found.
pub(super) struct Hit {
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
            made: Mutex::default(),
        }
    }

    /// Whether the stage is one.
    pub(super) fn is_hit(&self, at: usize) -> bool {
        self.all[at].get().is_some()
    }

    /// The hit that the stage is, if, of what was found for it, one realization alone was made from the hits that it depends
    /// on, and it is no failure, and its builds are current.
    ///
    /// Its matcher has to be one that takes the only one.
    pub(super) fn find(
        &self,
        at: usize,
        is_current: impl FnOnce(&Sole<'_>) -> bool,
    ) -> Option<Hit> {
        let deps = self.graph.deps(at);
        if !deps.iter().all(|dep| self.is_hit(*dep)) {
            return None;
        }
        let look = self.looks.get(at)?.as_ref()?;
        if look.is_marked() {
            // A part of a build may be there.
            return None;
        }
        let hit = |dep: &usize| Some((&self.all[*dep].get()?.hash, self.graph.hash(*dep)));
        let sole = look.sole(|| deps.iter().filter_map(hit))?;
        if sole.outcome() != Outcome::Ok || !is_current(&sole) {
            return None;
        }
        let (hash, place) = (*sole.hash(), sole.place());
        Some(Hit { hash, place })
    }

    /// Notes that the stage is this one.
    pub(super) fn note(&self, at: usize, hit: Hit) {
        let _ = self.all[at].set(hit);
    }

    /// The reference of the realization, if the stage is one.
    fn id(&self, at: usize) -> Option<RRefId> {
        Some(self.id_of(at, self.all[at].get()?))
    }

    /// The same for one that is not noted yet.
    pub(super) fn id_of(&self, at: usize, hit: &Hit) -> RRefId {
        RRefId::new(hit.hash, self.graph.dref(at).id().clone())
    }

    /// The realization, if the stage is one.
    pub(super) fn rrefs(self: &Arc<Self>, at: usize) -> Option<Arc<[AnyRRef]>> {
        // What is under this lock is only a note of what is elsewhere.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rrefs) = made.get(&at).and_then(Weak::upgrade) {
            return Some(rrefs);
        }
        let rrefs: Arc<[_]> = [self.make(at)?].into();
        made.insert(at, Arc::downgrade(&rrefs));
        Some(rrefs)
    }

    fn make(self: &Arc<Self>, at: usize) -> Option<AnyRRef> {
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
            Some((dref, self.rrefs(*dep)?))
        });
        chosen.collect()
    }
}
