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
        let mut chosen = Vec::with_capacity(graph.len());
        chosen.resize_with(graph.len(), OnceLock::new);
        let ran = Ran {
            hits: Arc::new(hits),
            chosen,
        };
        for (dref, taken) in given {
            if let Some(at) = graph.place(dref) {
                ran.choose(at, taken.clone());
            }
        }
        ran
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
        let rrefs = self.hits.rrefs(at)?;
        Some(self.chosen[at].get_or_init(|| Taken { rrefs, from: 1 }))
    }
}
