//! What is there for the stages of a plan.

use std::sync::{Arc, Mutex, PoisonError};

use super::ahead::{Ahead, Looks};
use crate::Result;
use crate::store::{Look, Looker};

/// What is there for each stage, once it was looked at. From then on it stays, as this process says that it uses it, and it is
/// on the disk: it can be trusted, and told of.
pub(super) struct Stock<'a> {
    ahead: &'a Ahead<'a>,
    looks: Arc<Looks>,
    may_write: bool,
    is_settled: Mutex<bool>,
}

impl<'a> Stock<'a> {
    /// Of all that these threads look at, if this process `may_write` to the store.
    pub(super) fn new(ahead: &'a Ahead<'a>, looks: Looks, may_write: bool) -> Self {
        Stock {
            ahead,
            looks: Arc::new(looks),
            may_write,
            is_settled: Mutex::new(false),
        }
    }

    /// Whether this process may write to the store.
    pub(super) fn may_write(&self) -> bool {
        self.may_write
    }

    /// What was found so far.
    pub(super) fn looks(&self) -> &Arc<Looks> {
        &self.looks
    }

    /// What is there for the stage at `at`; nothing if that could not be read.
    pub(super) fn look(&self, at: usize) -> Result<Option<&Look>> {
        let look = match self.looks.get(at) {
            Some(look) => look,
            None => self.wait_for(at, &mut None),
        };
        if self.may_write
            && let Some(look) = look
            && self.ahead.options.store.is_to_settle(look)
        {
            self.settle()?;
        }
        Ok(look.as_ref())
    }

    /// Looks at those that come first, until the one at `at` was looked at, or somebody else is about to.
    fn wait_for<'s>(&'s self, at: usize, looker: &mut Option<Looker<'s>>) -> &'s Option<Look> {
        while self.looks.get(at).is_none() {
            match self.ahead.next_part() {
                Some(part) => {
                    let new = || self.ahead.options.store.looker(self.looks.len());
                    part.look(looker.get_or_insert_with(new));
                }
                None => self.looks.wait_for_part(at),
            }
        }
        self.looks.wait(at)
    }

    /// Sees that all that is there is on the disk: at once, as one call for the whole file system costs less than one for
    /// each.
    fn settle(&self) -> Result<()> {
        let mut is_settled = self
            .is_settled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *is_settled {
            return Ok(());
        }
        let mut looker = None;
        let stages = self.looks.drefs().enumerate();
        let found: Vec<_> = stages
            .filter_map(|(at, dref)| Some((dref.id(), self.wait_for(at, &mut looker).as_ref()?)))
            .collect();
        self.ahead.options.store.settle(&found)?;
        *is_settled = true;
        Ok(())
    }
}
