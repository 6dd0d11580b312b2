//! The choices of a run.

use std::sync::{Arc, OnceLock};

use crate::plan::PlanGraph;
use crate::realize::lookup::hits::Hits;
use crate::realize::report::taken::{AlreadyChosen, Taken};

/// The choices for the stages of a plan.
pub(in crate::realize) struct Choices {
    pub(in crate::realize) hits: Arc<Hits>,
    /// The choice for each stage that is not a hit, and for each hit whose realization was requested. Empty for a stage that
    /// failed or did not run.
    chosen: Vec<OnceLock<Taken>>,
}

impl Choices {
    /// Creates choices that contain only those of `given`.
    pub(in crate::realize) fn new(hits: Hits, graph: &PlanGraph, given: &AlreadyChosen) -> Self {
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

    /// Records the choice for a stage.
    pub(in crate::realize) fn choose(&self, at: usize, taken: Taken) {
        let _ = self.chosen[at].set(taken);
    }

    /// Returns whether the stage has a choice.
    pub(in crate::realize) fn has_chosen(&self, at: usize) -> bool {
        self.hits.is_hit(at) || self.chosen[at].get().is_some()
    }

    /// Returns the choice for a stage, if there is one.
    pub(in crate::realize) fn taken(&self, at: usize) -> Option<&Taken> {
        if let Some(taken) = self.chosen[at].get() {
            return Some(taken);
        }
        let rrefs = self.hits.rrefs(at)?;
        Some(self.chosen[at].get_or_init(|| Taken { rrefs, from: 1 }))
    }
}
