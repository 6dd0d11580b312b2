//! Hits: stages that need no choice, because the store has exactly one realization for them.
//!
//! Most stages of most runs are hits, and few of their realizations are ever accessed. So a hit is only the position of the
//! realization in its snapshot. The [`AnyRRef`], and those of its dependencies, are created on request.

use rustc_hash::FxHashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::prefetch::Snapshots;
use crate::config::RRefId;
use crate::lens::{AnyRRef, Choices, Chosen, ChosenList};
use crate::plan::PlanGraph;
use crate::store::{Context, OnlyCandidate, Outcome, Store};

/// The hits of a run. A stage is a hit only if all its dependencies are.
pub(in crate::realize) struct Hits {
    /// The folder of all derivations. Stored instead of a `Store`, so that a realization does not keep the store open.
    objects: Arc<Path>,
    graph: Arc<PlanGraph>,
    snapshots: Arc<Snapshots>,
    all: Vec<OnceLock<Hit>>,
    /// A cache of weak references, so that all requests for the realization of a stage share one value. The references are
    /// weak because a realization holds these hits through its dependencies: a strong one would be a reference cycle.
    made: Mutex<FxHashMap<usize, Weak<[AnyRRef]>>>,
}

/// The position of a realization in the snapshot of its derivation.
pub(in crate::realize) struct Hit {
    hash: [u8; 16],
    place: usize,
}

impl Hits {
    /// Creates an empty set of hits.
    pub(in crate::realize) fn new(
        store: &Store,
        graph: &Arc<PlanGraph>,
        snapshots: &Arc<Snapshots>,
    ) -> Self {
        let mut all = Vec::with_capacity(snapshots.len());
        all.resize_with(snapshots.len(), OnceLock::new);
        Hits {
            objects: store.objects().clone(),
            graph: graph.clone(),
            snapshots: snapshots.clone(),
            all,
            made: Mutex::default(),
        }
    }

    /// Returns whether the stage with index `at` is a hit.
    pub(in crate::realize) fn is_hit(&self, at: usize) -> bool {
        self.all[at].get().is_some()
    }

    /// Returns the hit for the stage with index `at`: the only realization made from the hits of its dependencies. Returns
    /// `None` if there is a second realization, if it is a failure, or if `is_current` finds that its builds are stale.
    ///
    /// The caller ensures that the stage's matcher always takes a single candidate.
    pub(in crate::realize) fn find(
        &self,
        at: usize,
        is_current: impl FnOnce(&OnlyCandidate<'_>) -> bool,
    ) -> Option<Hit> {
        let deps = self.graph.deps(at);
        if !deps.iter().all(|dep| self.is_hit(*dep)) {
            return None;
        }
        let snapshot = self.snapshots.get(at)?.as_ref()?;
        if snapshot.is_marked() {
            // A multi-run build was interrupted: the only realization may be one of several.
            return None;
        }
        let hit = |dep: &usize| Some((&self.all[*dep].get()?.hash, self.graph.hash(*dep)));
        let sole = snapshot.sole(|| deps.iter().filter_map(hit))?;
        if sole.outcome() != Outcome::Ok || !is_current(&sole) {
            return None;
        }
        let (hash, place) = (*sole.hash(), sole.place());
        Some(Hit { hash, place })
    }

    /// Records the hit for the stage with index `at`.
    pub(in crate::realize) fn note(&self, at: usize, hit: Hit) {
        let _ = self.all[at].set(hit);
    }

    /// Returns the reference of the stage's realization, if the stage is a hit.
    fn id(&self, at: usize) -> Option<RRefId> {
        Some(self.id_of(at, self.all[at].get()?))
    }

    /// Returns the reference of a hit, recorded or not.
    pub(in crate::realize) fn id_of(&self, at: usize, hit: &Hit) -> RRefId {
        RRefId::new(hit.hash, self.graph.dref(at).id().clone())
    }

    /// Returns the stage's realization, if the stage is a hit.
    pub(in crate::realize) fn rrefs(self: &Arc<Self>, at: usize) -> Option<Arc<[AnyRRef]>> {
        // A panic cannot leave the cache inconsistent.
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
        let snapshot = self.snapshots.get(at)?.as_ref()?;
        let deps = self.graph.deps(at);
        let (context, chosen) = match deps.is_empty() {
            true => (Context::empty(), Chosen::none()),
            false => (
                Context::sorted(deps.iter().filter_map(|dep| self.id(*dep))),
                Chosen::lazy(self.clone(), at),
            ),
        };
        let dref = self.graph.dref(at);
        let found = snapshot.realization_at(*place, dref.id(), &context, &self.objects)?;
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
