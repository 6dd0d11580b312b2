//! One build of a stage that a person makes in place of its function.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::config::{DRefId, RRefId};
use crate::lens::{Build, Chosen, Config, RRef};
use crate::plan::{AnyDRef, Code, StageValue};
use crate::realize::failure::errors::promises_not_kept;
use crate::store::{BuildLock, BuildRecord, Context, Draft, Outcome, Store};
use crate::{Error, ErrorKind, Result};

/// A build that is in your hands: what [`Stepping::take`](crate::realize::Stepping::take) gives.
///
/// It dereferences to the [`Build`] that the stage's function would get: dependencies can be loaded, artifacts saved, its
/// log written. [`finish`](Self::finish) publishes what is there. [`cancel`](Self::cancel) throws it away, and so does
/// dropping it. Until then it has the build lock, as a stage that runs: whoever else wants to build this stage from these
/// dependencies waits, be it another process or another thread of this one. The thread that took it would wait for itself:
/// to realize this stage there, or in a run that it waits for, is an error. Time limits, and what the stage needs of the machine, do not
/// count for it.
pub struct ByHand<C: Config> {
    build: Build<C>,
    store: Store,
    dref: AnyDRef,
    chosen: Chosen,
    context: Context,
    record: BuildRecord,
    /// Both are `Some` until the build is published. The folder is removed before the lock is left.
    draft: Option<Draft>,
    lock: Option<BuildLock>,
    desk: Arc<Desk>,
}

/// What a stepping shares with the build that was taken from it.
#[derive(Default)]
pub(in crate::realize) struct Desk(Mutex<OnDesk>);

#[derive(Default)]
pub(in crate::realize) struct OnDesk {
    /// The stage that is being built by hand.
    pub(in crate::realize) in_hand: Option<DRefId>,
    /// What was made by hand.
    pub(in crate::realize) made: Vec<RRefId>,
}

impl Desk {
    pub(in crate::realize) fn look(&self) -> MutexGuard<'_, OnDesk> {
        // A panic under this lock leaves nothing half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts of a build by hand.
pub(in crate::realize) struct Parts {
    pub(in crate::realize) store: Store,
    pub(in crate::realize) dref: AnyDRef,
    pub(in crate::realize) chosen: Chosen,
    pub(in crate::realize) context: Context,
    pub(in crate::realize) record: BuildRecord,
    pub(in crate::realize) draft: Draft,
    pub(in crate::realize) lock: BuildLock,
    pub(in crate::realize) desk: Arc<Desk>,
}

impl<C: Config> ByHand<C> {
    pub(in crate::realize) fn new(build: Build<C>, parts: Parts) -> Self {
        parts.desk.look().in_hand = Some(parts.dref.id().clone());
        ByHand {
            build,
            store: parts.store,
            dref: parts.dref,
            chosen: parts.chosen,
            context: parts.context,
            record: parts.record,
            draft: Some(parts.draft),
            lock: Some(parts.lock),
            desk: parts.desk,
        }
    }

    /// Publishes what was made, and gives the result. `value` is what the stage's function would return: its outputs, or
    /// `()` for a person who wrote the files by other means; either way all promises have to be kept.
    ///
    /// The build record says that it was made by hand, whatever was called to make it, the stage's function included: it
    /// does not have the fingerprint of the stage. The matcher, when the stepping goes on, sees it beside what the stage made; every other
    /// run finds it stale, says so, and lets the stage run, unless somebody [accepts](Store::accept) it.
    ///
    /// # Errors
    /// A promise that is not kept, an output that cannot be published, or a refusal of the system. The build is still in
    /// your hands then, with all that was written: put right what is wrong, and finish again. A build that was finished
    /// before.
    pub fn finish<T: StageValue<C>>(&mut self, value: T) -> Result<RRef<C>> {
        // It only proves that something was written once.
        drop(value);
        let dref = self.dref.id();
        let Some(draft) = &mut self.draft else {
            let message = format!("this build of stage `{}` was finished before", dref.name());
            return Err(Error::new(ErrorKind::Plan, message).help(format!(
                "take the stage again for another result\nit is about {dref}"
            )));
        };
        let unkept = draft.unkept(self.dref.config_json())?;
        if !unkept.is_empty() {
            let message = format!("this build of stage `{}` is not finished", dref.name());
            return Err(Error::new(ErrorKind::Stage, message)
                .because(promises_not_kept(self.dref.node(), &unkept))
                .help(format!(
                    "the build is still open: write what is missing and finish it again, or cancel it\nits folder: {}\nit \
                     is about {dref}",
                    draft.out().display()
                )));
        }
        let code = Code::by_hand();
        self.store.save_code(code.fingerprint(), code.text())?;
        self.record.stop = Timestamp::now();
        self.record.fingerprint = Some(code.fingerprint().to_owned());
        self.record.omitted = self.dref.node().omitted().clone();
        let json = self.dref.config_json();
        let published = draft.publish(json, &self.context, Outcome::Ok, &self.record)?;
        self.desk.look().made.push(published.id.clone());
        self.put_down();
        let realization = self.store.realization(&published.id)?;
        let rref = self.dref.realization(realization, &self.chosen, None);
        match rref.downcast::<C>() {
            Some(rref) => Ok(rref),
            None => unreachable!("it was taken with a node of its config's type"),
        }
    }

    /// Throws away what was made so far. Nothing is published, and the stage is still to be built.
    pub fn cancel(self) {}

    /// Gives up the folder, and then the lock.
    fn put_down(&mut self) {
        if self.draft.take().is_some() {
            self.lock = None;
            self.desk.look().in_hand = None;
        }
    }
}

impl<C: Config> Drop for ByHand<C> {
    fn drop(&mut self) {
        self.put_down();
    }
}

impl<C: Config> Deref for ByHand<C> {
    type Target = Build<C>;

    fn deref(&self) -> &Build<C> {
        &self.build
    }
}

impl<C: Config> fmt::Debug for ByHand<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.draft {
            Some(_) => "under way",
            None => "finished",
        };
        write!(f, "ByHand({}, {state})", self.dref)
    }
}
