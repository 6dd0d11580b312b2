//! Looking at many derivations at once, and trusting what was found.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "cli")]
use crate::ErrorKind;
#[cfg(feature = "cli")]
use crate::config::RRefId;
use crate::config::{ConfigJson, DRefId};
use crate::store::Store;
use crate::store::disk::durable::Durability;
#[cfg(feature = "cli")]
use crate::store::disk::parallel;
use crate::store::index::{Index, Known, Listed, Objects};
use crate::store::object::builds::{BuildHead, Builds};
use crate::store::object::context::Context;
use crate::store::object::realization::Realization;
use crate::store::object::record::Outcome;
use crate::store::publish::begun::{Begun, begun_from};
use crate::{Error, Result};

/// What a look at a derivation gave: nothing if it is not in the store.
#[derive(Clone)]
pub(crate) struct Look(Option<Known>);

impl Look {
    /// Looks at one derivation.
    pub(in crate::store) fn of(store: &Store, dref: &DRefId) -> Result<Self> {
        store.known_of(dref, None, false).map(Look)
    }

    /// The builds of each of its realizations.
    pub(in crate::store) fn builds(&self) -> impl Iterator<Item = Builds> + '_ {
        let listed = self.0.iter().flat_map(|known| known.listing.iter());
        listed.map(|one| one.builds())
    }
}

/// A realization that cannot be read.
#[cfg(feature = "cli")]
pub(crate) struct Unread {
    /// Nothing where those of a derivation cannot be listed.
    pub(crate) rref: Option<RRefId>,
    pub(crate) error: Error,
}

/// From so many folders of derivations on, one call for what holds them all costs less than it saves for each.
pub(in crate::store) const MANY: usize = 8;

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

impl Look {
    /// Whether any build of several runs has begun and not ended, from whatever context.
    pub(crate) fn is_marked(&self) -> bool {
        (self.0.as_ref()).is_some_and(|known| known.listing.marks().next().is_some())
    }

    /// The builds of several runs from this context that have begun and not ended.
    pub(crate) fn begun(&self, context: &Context) -> Vec<Begun> {
        let marks = self.0.iter().flat_map(|known| known.listing.marks());
        marks
            .filter_map(|(name, bytes)| begun_from(context, name, bytes))
            .collect()
    }
}

/// A realization of a derivation, as a look found it: nothing of it is copied.
pub(crate) struct Sole<'a> {
    listed: Listed<'a>,
    place: usize,
}

impl Sole<'_> {
    /// The hash of its reference.
    pub(crate) fn hash(&self) -> &[u8; 16] {
        self.listed.hash()
    }

    /// How its build ended.
    pub(crate) fn outcome(&self) -> Outcome {
        self.listed.outcome()
    }

    /// What decisions are made by of its builds, oldest first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = BuildHead<'_>> {
        self.listed.heads()
    }

    /// For [`Look::realization_at`].
    pub(crate) fn place(&self) -> usize {
        self.place
    }
}

impl Look {
    /// The realization that was made from these, if there is one and no other: for each the hashes of its reference and of
    /// its derivation's, as contexts are sorted.
    pub(crate) fn sole<'c, I>(&self, context: impl Fn() -> I) -> Option<Sole<'_>>
    where
        I: Iterator<Item = (&'c [u8; 16], &'c [u8; 16])>,
    {
        let listed = self.0.as_ref()?.listing.iter().enumerate();
        let mut found = listed.filter(|(_, one)| one.is_candidate() && one.is_made_from(context()));
        let (place, listed) = found.next()?;
        found.next().is_none().then_some(Sole { listed, place })
    }

    /// What it found of `dref` at this place, made from `context`, below the folder of all derivations; nothing if it found
    /// less.
    pub(crate) fn realization_at(
        &self,
        place: usize,
        dref: &DRefId,
        context: &Context,
        objects: &Arc<Path>,
    ) -> Option<Realization> {
        let listed = self.0.as_ref()?.listing.iter().nth(place)?;
        Some(listed.realization(dref, context, objects))
    }
}

/// Looks at many derivations, on one thread. Each thread has its own: with one open folder for all, they would wait for each
/// other wherever the kernel counts who uses it.
pub(crate) struct Looker<'a> {
    index: &'a Index,
    objects: Objects<'a>,
}

impl Looker<'_> {
    /// What is there of a derivation. Its config spares reading it.
    pub(crate) fn look(&self, dref: &DRefId, config: Option<&ConfigJson>) -> Result<Look> {
        let known = self.index.look(&self.objects, dref, config, false);
        known.map(Look)
    }
}

impl Store {
    /// For a thread that looks at some of so many derivations.
    pub(crate) fn looker(&self, count: usize) -> Looker<'_> {
        let objects = Objects::of_many(self.layout(), count);
        let index = self.manager().index();
        Looker { index, objects }
    }

    /// Whether there is something that may not be on the disk yet: see [`settle`](Self::settle).
    pub(crate) fn is_to_settle(&self, look: &Look) -> bool {
        self.durability() != Durability::None
            && (look.0.as_ref()).is_some_and(|known| !known.is_settled && !known.listing.is_empty())
    }

    /// Sees that the realizations that were found are on the disk, before anybody is told of them: who put them there may
    /// have died before it came to this.
    pub(crate) fn settle(&self, found: &[(&DRefId, &Look)]) -> Result<()> {
        let new: Vec<(&DRefId, &Known)> = (found.iter())
            .filter(|(_, look)| self.is_to_settle(look))
            .filter_map(|(dref, look)| Some((*dref, look.0.as_ref()?)))
            .collect();
        let objects = self.layout().objects();
        match new.len() {
            0 => return Ok(()),
            count if count < MANY => {
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
    pub(in crate::store) fn settle_one(&self, dref: &DRefId) -> Result<()> {
        let look = Look(self.known_of(dref, None, false)?);
        self.settle(&[(dref, &look)])
    }

    /// The realizations of `dref` that were made from `context` and have all that it promises, sorted by reference, as a look
    /// found them.
    pub(crate) fn looked_at(
        &self,
        look: &Look,
        dref: &DRefId,
        context: &Context,
    ) -> Vec<Realization> {
        let Some(known) = &look.0 else {
            return Vec::new();
        };
        let objects = self.objects();
        // Most have one.
        let mut found = Vec::with_capacity(1);
        let listed = known.listing.made_from(context);
        let listed = listed.filter(Listed::is_candidate);
        found.extend(listed.map(|one| one.realization(dref, context, objects)));
        found
    }

    /// The folder of all derivations, for [`Look::realization_at`].
    pub(crate) fn objects(&self) -> &Arc<Path> {
        self.layout().shared_objects()
    }

    /// Looks at one derivation now, whatever is known.
    pub(crate) fn look_now(&self, config: &ConfigJson) -> Result<Look> {
        self.known_of(config.id(), Some(config), true).map(Look)
    }

    /// Looks at one derivation, if it is not known.
    pub(crate) fn look(&self, config: &ConfigJson) -> Result<Look> {
        self.known_of(config.id(), Some(config), false).map(Look)
    }

    /// What is known of a derivation, read if it has to be.
    fn known_of(
        &self,
        dref: &DRefId,
        config: Option<&ConfigJson>,
        afresh: bool,
    ) -> Result<Option<Known>> {
        let objects = Objects::of(self.layout());
        let index = self.manager().index();
        index.look(&objects, dref, config, afresh)
    }

    /// Whether something made of `config` from `context` lacks what it promises, so that it is no candidate.
    pub(crate) fn has_lacking(&self, config: &ConfigJson, context: &Context) -> Result<bool> {
        let known = self.known_of(config.id(), Some(config), false)?;
        let listed = known
            .iter()
            .flat_map(|known| known.listing.made_from(context));
        Ok(listed.filter(|one| !one.is_candidate()).count() > 0)
    }

    /// The realizations of `dref` that were made from `context`, sorted by reference. A derivation that is not in the
    /// store has none. One that lacks an artifact that its config promises, as earlier versions published, does not
    /// count.
    ///
    /// # Errors
    /// A broken record, or a refusal of the system.
    pub fn candidates(&self, dref: &DRefId, context: &Context) -> Result<Vec<Realization>> {
        let look = Look(self.known_of(dref, None, false)?);
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

    /// The same for each of many, on all cores, as they are asked for: the first ones at once. What cannot be read stands for
    /// itself alone.
    #[cfg(feature = "cli")]
    pub(crate) fn realizations_of_each<'d>(
        &'d self,
        drefs: &'d [DRefId],
    ) -> impl Iterator<Item = (&'d DRefId, Vec<Result<Realization, Unread>>)> {
        let (first, rest) = drefs.split_at(drefs.len().min(SINGLY));
        first
            .chunks(1)
            .chain(rest.chunks(TOGETHER))
            .flat_map(|drefs| {
                let looked = self.look_at_each(drefs);
                drefs.iter().zip(looked).map(|(dref, look)| {
                    let found = match look.and_then(|look| self.all_of(&look, dref)) {
                        Ok(all) => all.into_iter().map(Ok).collect(),
                        Err(_) => self.one_by_one(dref),
                    };
                    (dref, found)
                })
            })
    }

    /// The realizations of a derivation of which not all can be read.
    #[cfg(feature = "cli")]
    fn one_by_one(&self, dref: &DRefId) -> Vec<Result<Realization, Unread>> {
        let rrefs = match self.rrefs_of(dref) {
            Ok(rrefs) => rrefs,
            Err(error) => return vec![Err(Unread { rref: None, error })],
        };
        let read = rrefs.into_iter().filter_map(|rref| {
            match self.realization(&rref) {
                // It was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::Missing => None,
                Err(error) => Some(Err(Unread {
                    rref: Some(rref),
                    error,
                })),
                Ok(found) => Some(Ok(found)),
            }
        });
        read.collect()
    }

    /// All realizations of a derivation, as a look found them.
    fn all_of(&self, look: &Look, dref: &DRefId) -> Result<Vec<Realization>> {
        let Some(known) = &look.0 else {
            return Ok(Vec::new());
        };
        let objects = self.objects();
        let listed = known.listing.iter();
        listed
            .map(|one| Ok(one.realization(dref, &one.context(dref)?, objects)))
            .collect()
    }

    /// What is there of each, looked at on all cores. What cannot be read is an error of its own.
    #[cfg(feature = "cli")]
    fn look_at_each(&self, drefs: &[DRefId]) -> Vec<Result<Look>> {
        // Handing out single ones costs about as much as looking.
        let parts: Vec<&[DRefId]> = drefs.chunks(128).collect();
        let looked = parallel::map(&parts, parallel::cores(), |_, part| {
            let looker = self.looker(part.len());
            Ok(part
                .iter()
                .map(|dref| looker.look(dref, None))
                .collect::<Vec<_>>())
        });
        looked.into_iter().flatten().flatten().collect()
    }

    /// What was made directly from a realization, sorted by derivation, and what could not be read.
    #[cfg(feature = "cli")]
    pub(crate) fn made_from(&self, rref: &RRefId) -> Result<(Vec<RRefId>, Vec<Unread>)> {
        let drefs = self.drefs()?;
        let (mut found, mut unread) = (Vec::new(), Vec::new());
        for (dref, look) in drefs.iter().zip(self.look_at_each(&drefs)) {
            let known = match look {
                Ok(look) => look.0,
                Err(_) => {
                    for one in self.one_by_one(dref) {
                        match one {
                            Ok(one) if one.context.realizations().any(|dep| dep == rref) => {
                                found.push(one.id);
                            }
                            Ok(_) => {}
                            Err(error) => unread.push(error),
                        }
                    }
                    continue;
                }
            };
            let Some(known) = known else { continue };
            let users = known.listing.iter().filter(|one| one.uses(rref));
            found.extend(users.map(|one| one.id(dref)));
        }
        self.remember();
        Ok((found, unread))
    }

    /// Keeps for later processes what this one has learnt of derivations.
    pub(crate) fn remember(&self) {
        self.manager().index().save(self.manager(), self.layout());
    }
}
