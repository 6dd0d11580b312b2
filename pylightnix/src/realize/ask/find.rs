//! Finding the realizations of a stage, with their types.

use std::fmt;
use std::marker::PhantomData;

use crate::lens::RRef;
use crate::plan::Stage;
use crate::realize::ask::typed::RecordCache;
use crate::store::{Find, Finding, Store, is_there};
use crate::{ErrorKind, Result};

impl<'a> Find<'a> {
    /// Searches among the realizations of the stage of config `C`, and returns them typed, as [`Store::realization_as`] does.
    pub fn stage<C: Stage>(self) -> FindStage<'a, C> {
        FindStage {
            find: self.name(C::NAME),
            stage: PhantomData,
        }
    }
}

/// A search for the realizations of one stage, created by [`Find::stage`].
#[derive(Debug)]
#[must_use = "nothing happens before `run`"]
pub struct FindStage<'a, C> {
    find: Find<'a>,
    stage: PhantomData<fn() -> C>,
}

impl<'a, C: Stage> FindStage<'a, C> {
    /// Runs the search as [`Find::run`] does. A realization whose config does not fit `C`, because another version of the
    /// struct made it, yields an error in its place. A dependency that many realizations share is read once.
    ///
    /// If this process has write permission to the store, garbage collection keeps all realizations of the derivations with
    /// this name until the process exits.
    ///
    /// # Errors
    /// As [`Find::run`].
    pub fn run(self) -> Result<FindingStage<'a, C>> {
        let finding = self.find.run()?;
        let (store, drefs) = finding.left();
        store.use_derivations(drefs)?;
        Ok(FindingStage {
            store: store.clone(),
            finding,
            read: RecordCache::default(),
            stage: PhantomData,
        })
    }
}

/// An iterator over the results of a search; see [`FindStage::run`].
pub struct FindingStage<'a, C> {
    store: Store,
    finding: Finding<'a>,
    read: RecordCache,
    stage: PhantomData<fn() -> C>,
}

impl<C: Stage> Iterator for FindingStage<'_, C> {
    type Item = Result<RRef<C>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = match self.finding.next()? {
                Ok(found) => found,
                Err(error) => return Some(Err(error)),
            };
            match self.store.realization_from(found.id(), &mut self.read) {
                // The realization was removed during the search; if it still exists, one of its dependencies is missing.
                Err(error)
                    if error.kind() == ErrorKind::Missing
                        && matches!(
                            is_there(&self.store.realization_dir(found.id())),
                            Ok(false)
                        ) => {}
                opened => return Some(opened),
            }
        }
    }
}

impl<C> fmt::Debug for FindingStage<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FindingStage").field(&self.finding).finish()
    }
}
