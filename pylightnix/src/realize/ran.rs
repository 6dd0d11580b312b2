//! What a run has chosen.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::decide::Taken;
use super::hits::Hits;
use crate::config::DRefId;
use crate::plan::Graph;

/// What is chosen already when a run begins.
pub(super) type Given = HashMap<DRefId, Taken>;

/// What a run has chosen for the stages of its plan.
pub(super) struct Ran {
    pub(super) hits: Arc<Hits>,
    /// For the others, and for hits that somebody asked for; empty for one that failed or was not run.
    chosen: Vec<OnceLock<Taken>>,
}

impl Ran {
    /// At its beginning.
    pub(super) fn new(hits: Hits, graph: &Graph, given: &Given) -> Self {
        let given = |dref| {
            given
                .get(dref)
                .cloned()
                .map_or_else(OnceLock::new, OnceLock::from)
        };
        let stages = graph.drefs();
        Ran {
            hits: Arc::new(hits),
            chosen: stages.map(|stage| given(stage.id())).collect(),
        }
    }

    /// Notes what was chosen for a stage.
    pub(super) fn choose(&self, at: usize, taken: Taken) {
        let _ = self.chosen[at].set(taken);
    }

    /// Whether it is known for this stage.
    pub(super) fn has_chosen(&self, at: usize) -> bool {
        self.hits.is_hit(at) || self.chosen[at].get().is_some()
    }

    /// What was chosen for this stage, if that is known.
    pub(super) fn taken(&self, at: usize) -> Option<&Taken> {
        if let Some(taken) = self.chosen[at].get() {
            return Some(taken);
        }
        let rrefs = [self.hits.rref(at)?].into();
        Some(self.chosen[at].get_or_init(|| Taken { rrefs, from: 1 }))
    }
}
