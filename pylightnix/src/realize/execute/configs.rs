//! Configs that do not come back from their JSON as they were written: found before a stage runs that could see them.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;
use crate::plan::PlanGraph;

/// The stages of a plan of which it is known that their configs come back, and those of all that they depend on. Nothing if
/// the types of all configs tell so.
#[derive(Default)]
pub(in crate::realize) struct Configs(OnceLock<Option<Box<[AtomicBool]>>>);

impl Configs {
    /// Fails if the config of a stage that is about to run, or of anything that it is made from, does not come back: the
    /// stage would see what no reference says.
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
        // Only now: of one that was looked at, what is below it might have failed.
        for at in seen {
            known[at].store(true, Ordering::Release);
        }
        Ok(())
    }
}
