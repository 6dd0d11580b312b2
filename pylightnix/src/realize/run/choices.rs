//! What a run has chosen.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::config::DRefId;
use crate::plan::PlanGraph;
use crate::realize::lookup::hits::Hits;
use crate::realize::taken::Taken;

/// What is chosen already when a run begins.
pub(in crate::realize) type Given = HashMap<DRefId, Taken>;

/// What a run has chosen for the stages of its plan.
pub(in crate::realize) struct Choices {
    pub(in crate::realize) hits: Arc<Hits>,
    /// For the others, and for hits that somebody asked for; empty for one that failed or was not run.
    chosen: Vec<OnceLock<Taken>>,
}

impl Choices {
    /// At its beginning.
    pub(in crate::realize) fn new(hits: Hits, graph: &PlanGraph, given: &Given) -> Self {
        let mut chosen = Vec::with_capacity(graph.len());
        chosen.resize_with(graph.len(), OnceLock::new);
        let choices = Choices {
            hits: Arc::new(hits),
            chosen,
        };
        for (dref, taken) in given {
            if let Some(at) = graph.place(dref) {
                choices.choose(at, taken.clone());
            }
        }
        choices
    }

    /// Notes what was chosen for a stage.
    pub(in crate::realize) fn choose(&self, at: usize, taken: Taken) {
        let _ = self.chosen[at].set(taken);
    }

    /// Whether it is known for this stage.
    pub(in crate::realize) fn has_chosen(&self, at: usize) -> bool {
        self.hits.is_hit(at) || self.chosen[at].get().is_some()
    }

    /// What was chosen for this stage, if that is known.
    pub(in crate::realize) fn taken(&self, at: usize) -> Option<&Taken> {
        if let Some(taken) = self.chosen[at].get() {
            return Some(taken);
        }
        let rrefs = self.hits.rrefs(at)?;
        Some(self.chosen[at].get_or_init(|| Taken { rrefs, from: 1 }))
    }
}
