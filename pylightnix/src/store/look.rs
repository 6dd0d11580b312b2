//! Looking at many derivations at once, and trusting what was found.

use std::fs::File;
use std::sync::Arc;

use super::Store;
use super::builds::Builds;
use super::context::Context;
use super::durable::Durability;
use super::index::{Known, Objects};
use super::parallel;
use super::realization::Realization;
use crate::config::DRefId;
use crate::{Error, Result};

/// What a look at a derivation gave: nothing if it is not in the store.
#[derive(Clone)]
pub(crate) struct Look(Option<Known>);

impl Look {
    /// Looks at one derivation.
    pub(super) fn of(store: &Store, dref: &DRefId) -> Result<Self> {
        store.known_of(dref, false).map(Look)
    }

    /// The builds of each of its realizations.
    pub(super) fn builds(&self) -> impl Iterator<Item = Builds> + '_ {
        let listed = self.0.iter().flat_map(|known| known.listing.iter());
        listed.map(|one| one.builds())
    }
}

/// For fewer folders than this, opening the one that they lie in costs more than it saves.
const FEW: usize = 8;

/// From so many folders on, one call for the whole file system costs less than one for each.
const ALL_AT_ONCE: usize = 8;

/// Where many are looked at as they are asked for: so many come one by one first, then so many at once.
#[cfg(feature = "cli")]
const SINGLY: usize = 32;
#[cfg(feature = "cli")]
const TOGETHER: usize = 4096;

impl Look {
    /// Whether there is no realization of it, from whatever context.
    pub(crate) fn is_empty(&self) -> bool {
        (self.0.as_ref()).is_none_or(|known| known.listing.is_empty())
    }
}

impl Store {
    /// Looks at derivations, on so many threads. What cannot be read is an error of its own.
    pub(crate) fn look(&self, drefs: &[&DRefId], threads: usize) -> Vec<Result<Look>> {
        // Handing out single ones costs about as much as looking.
        let chunks: Vec<&[&DRefId]> = drefs.chunks(128).collect();
        let objects = match drefs.len() {
            ..FEW => Objects::of(self.layout()),
            _ => Objects::opened(self.layout()),
        };
        let index = self.manager().index();
        let look = |dref: &&DRefId| index.look(&objects, dref, false).map(Look);
        let looked = parallel::map(&chunks, threads.min(parallel::cores()), |_, chunk| {
            Ok(chunk.iter().map(look).collect::<Vec<_>>())
        });
        looked.into_iter().flatten().flatten().collect()
    }

    /// Sees that the realizations that were found are on the disk, before anybody is told of them: who put them there may
    /// have died before it came to this.
    pub(crate) fn settle(&self, found: &[(&DRefId, &Look)]) -> Result<()> {
        if self.durability() == Durability::None {
            return Ok(());
        }
        let new: Vec<(&DRefId, &Known)> = (found.iter())
            .filter_map(|(dref, look)| Some((*dref, look.0.as_ref()?)))
            .filter(|(_, known)| !known.is_settled && !known.listing.is_empty())
            .collect();
        let objects = self.layout().objects();
        match new.len() {
            0 => return Ok(()),
            count if count < ALL_AT_ONCE => {
                for (dref, _) in &new {
                    self.durability().sync_folder(&self.derivation_dir(dref))?;
                }
                self.durability().sync_folder(&objects)?;
            }
            _ => {
                let refused = |error| Error::io("write to disk", &objects, error);
                let folder = File::open(&objects).map_err(refused)?;
                rustix::fs::syncfs(folder).map_err(|errno| refused(errno.into()))?;
            }
        }
        for (dref, known) in new {
            self.manager()
                .index()
                .is_settled(self.layout(), dref, known);
        }
        Ok(())
    }

    /// The same for one derivation.
    pub(super) fn settle_one(&self, dref: &DRefId) -> Result<()> {
        let look = Look(self.known_of(dref, false)?);
        self.settle(&[(dref, &look)])
    }

    /// The realizations of `dref` that were made from `context`, sorted by reference, as a look found them.
    pub(crate) fn looked_at(
        &self,
        look: &Look,
        dref: &DRefId,
        context: &Context,
    ) -> Vec<Realization> {
        let Some(known) = &look.0 else {
            return Vec::new();
        };
        let objects: &Arc<_> = self.layout().shared_objects();
        // Most have one.
        let mut found = Vec::with_capacity(1);
        let listed = known.listing.iter();
        let listed = listed.filter(|one| one.is_made_from(context));
        found.extend(listed.map(|one| one.realization(dref, context, objects)));
        found
    }

    /// Looks at one derivation now, whatever is known.
    pub(crate) fn look_now(&self, dref: &DRefId) -> Result<Look> {
        self.known_of(dref, true).map(Look)
    }

    /// What is known of a derivation, read if it has to be.
    fn known_of(&self, dref: &DRefId, afresh: bool) -> Result<Option<Known>> {
        let objects = Objects::of(self.layout());
        self.manager().index().look(&objects, dref, afresh)
    }

    /// The realizations of `dref` that were made from `context`, sorted by reference. A derivation that is not in the
    /// store has none.
    ///
    /// # Errors
    /// A broken record, or a refusal of the system.
    pub fn candidates(&self, dref: &DRefId, context: &Context) -> Result<Vec<Realization>> {
        let look = Look(self.known_of(dref, false)?);
        Ok(self.looked_at(&look, dref, context))
    }

    /// The realizations of a derivation, whatever they were made from, sorted by reference. One that is not in the store
    /// has none.
    ///
    /// # Errors
    /// A broken record, or a refusal of the system.
    pub fn realizations_of(&self, dref: &DRefId) -> Result<Vec<Realization>> {
        self.all_of(&Look::of(self, dref)?, dref)
    }

    /// The same for each of many, on all cores, as they are asked for: the first ones at once.
    #[cfg(feature = "cli")]
    pub(crate) fn realizations_of_each<'d>(
        &'d self,
        drefs: &'d [DRefId],
    ) -> impl Iterator<Item = (&'d DRefId, Result<Vec<Realization>>)> {
        let (first, rest) = drefs.split_at(drefs.len().min(SINGLY));
        first
            .chunks(1)
            .chain(rest.chunks(TOGETHER))
            .flat_map(|drefs| {
                let all: Vec<&DRefId> = drefs.iter().collect();
                let looked = self.look(&all, parallel::cores());
                drefs.iter().zip(looked).map(|(dref, look)| {
                    let found = look.and_then(|look| self.all_of(&look, dref));
                    (dref, found)
                })
            })
    }

    /// All realizations of a derivation, as a look found them.
    fn all_of(&self, look: &Look, dref: &DRefId) -> Result<Vec<Realization>> {
        let Some(known) = &look.0 else {
            return Ok(Vec::new());
        };
        let objects: &Arc<_> = self.layout().shared_objects();
        let listed = known.listing.iter();
        listed
            .map(|one| Ok(one.realization(dref, &one.context(dref)?, objects)))
            .collect()
    }

    /// Keeps for later processes what this one has learnt of derivations.
    pub(crate) fn remember(&self) {
        self.manager().index().save(self.manager(), self.layout());
    }
}
