//! Realizations that were chosen in another process, read again with what they were made from.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::RRefId;
use crate::lens::{AnyRRef, Chosen};
use crate::plan::PlanGraph;
use crate::realize::failure::recorded::text_of;
use crate::store::{Realization, Store};
use crate::{Error, ErrorKind, Result};

/// Typed realizations of a plan, by their references.
pub(in crate::realize) struct Recalled<'a> {
    store: &'a Store,
    graph: &'a PlanGraph,
    read: HashMap<RRefId, AnyRRef>,
}

impl<'a> Recalled<'a> {
    pub(in crate::realize) fn new(store: &'a Store, graph: &'a PlanGraph) -> Self {
        Recalled {
            store,
            graph,
            read: HashMap::new(),
        }
    }

    pub(in crate::realize) fn all(&mut self, rrefs: &[RRefId]) -> Result<Arc<[AnyRRef]>> {
        rrefs.iter().map(|rref| self.one(rref)).collect()
    }

    /// Reads a realization with its dependencies, those first, without recursion: a chain may be very long.
    fn one(&mut self, root: &RRefId) -> Result<AnyRRef> {
        let mut waiting: Vec<(RRefId, Option<Realization>)> = vec![(root.clone(), None)];
        while let Some((rref, read)) = waiting.pop() {
            if self.read.contains_key(&rref) {
                continue;
            }
            let Some(realization) = read else {
                let realization = self.store.realization(&rref)?;
                let deps: Vec<_> = realization.context.realizations().cloned().collect();
                waiting.push((rref, Some(realization)));
                waiting.extend(deps.into_iter().map(|dep| (dep, None)));
                continue;
            };
            let at = self.graph.place(rref.dref()).ok_or_else(|| {
                let message = format!("{rref} is of a stage that is not in the plan");
                Error::new(ErrorKind::Plan, message)
            })?;
            let deps = realization.context.iter().map(|(dref, rrefs)| {
                let rrefs = rrefs.iter().filter_map(|dep| self.read.get(dep).cloned());
                (dref.clone(), rrefs.collect())
            });
            let chosen = Chosen::new(deps.collect::<Vec<_>>());
            let failure = text_of(&realization)?;
            let typed = self
                .graph
                .dref(at)
                .realization(realization, &chosen, failure);
            self.read.insert(rref, typed);
        }
        match self.read.get(root) {
            Some(typed) => Ok(typed.clone()),
            None => unreachable!("it was the last to be read"),
        }
    }
}
