//! The stages that a command line forces, of a plan that is made while it runs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::exit::CommandResult;
use crate::stages::{Stages, like};
use pylightnix::config::DRefId;
use pylightnix::realize::{Realize, Titles};

/// The words that name stages to be forced, and those that named one already.
#[derive(Clone)]
pub(crate) struct Forced {
    words: Arc<[String]>,
    found: Arc<Mutex<HashSet<String>>>,
}

impl Forced {
    pub(crate) fn new(words: &[String]) -> Self {
        Forced {
            words: words.into(),
            found: Arc::default(),
        }
    }

    /// Lets a run force the stages that the words name. A word need not name one in each part of the plan.
    pub(crate) fn set(&self, run: Realize<'static>) -> Realize<'static> {
        if self.words.is_empty() {
            return run;
        }
        let forced = self.clone();
        run.force_in(move |titles| forced.of(titles))
    }

    fn of(&self, titles: &Titles) -> Vec<DRefId> {
        let mut forced = Vec::new();
        for word in self.words.iter() {
            for stage in like(titles, word).unwrap_or_default() {
                forced.push(stage.id().clone());
                let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert(word.clone());
            }
        }
        forced
    }

    /// Fails if a word names no stage of the whole plan, of what was asked for included.
    pub(crate) fn expect_all(&self, stages: &Stages) -> CommandResult<()> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = self.words.iter().filter(|word| !found.contains(*word));
        let lost: Vec<String> = lost.cloned().collect();
        stages.named(&lost).map(drop)
    }
}
