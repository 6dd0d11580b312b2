//! Detects configs that do not survive a round trip through their JSON, before a stage runs that would read them.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;
use crate::plan::PlanGraph;

/// For each stage of a plan, whether its config and those of all its dependencies were checked. `None` if the types of all
/// configs guarantee the round trip.
#[derive(Default)]
pub(in crate::realize) struct ConfigChecks(OnceLock<Option<Box<[AtomicBool]>>>);

impl ConfigChecks {
    /// Fails if the config of a stage that is about to run, or that of a direct or indirect dependency, does not survive a
    /// round trip: the stage would read values that its reference does not identify.
    pub(in crate::realize) fn check(&self, graph: &PlanGraph, at: usize) -> Result<()> {
        let known = self.0.get_or_init(|| {
            let some = graph.any_recipe(|stage| !stage.node().is_exact());
            some.then(|| (0..graph.len()).map(|_| AtomicBool::new(false)).collect())
        });
        let Some(known) = known else {
            return Ok(());
        };
        let mut seen = HashSet::from([at]);
        let mut waiting = vec![at];
        while let Some(at) = waiting.pop() {
            if known[at].load(Ordering::Acquire) {
                continue;
            }
            graph.dref(at).node().check_config()?;
            let deps = graph.deps(at).iter();
            waiting.extend(deps.filter(|dep| seen.insert(**dep)));
        }
        // Marked only at the end, because a dependency of a checked stage might have failed.
        for at in seen {
            known[at].store(true, Ordering::Release);
        }
        Ok(())
    }
}
