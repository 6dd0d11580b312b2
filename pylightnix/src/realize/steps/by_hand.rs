//! A build that a person makes by hand, in place of the stage's function.

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

/// A build by hand, created by [`Stepping::take`](crate::realize::Stepping::take).
///
/// It dereferences to the [`Build`] that the stage's function would get, so you can load dependencies, save artifacts and
/// write to the log. [`finish`](Self::finish) publishes the result. [`discard`](Self::discard) and dropping it discard the
/// result. Until then this thread holds the build lock: other processes and threads that want to build this stage from the
/// same dependencies wait. Realizing this stage on this thread, or in a run that it waits for, is an error, because it would
/// wait for itself. Time limits and resources of the stage do not apply.
pub struct ByHand<C: Config> {
    build: Build<C>,
    store: Store,
    dref: AnyDRef,
    chosen: Chosen,
    context: Context,
    record: BuildRecord,
    /// `Some` until the build is published, as is `lock`. The folder is removed before the lock is released.
    draft: Option<Draft>,
    lock: Option<BuildLock>,
    shared: Arc<SharedStepping>,
}

/// The state that a stepping shares with the build taken from it.
#[derive(Default)]
pub(in crate::realize) struct SharedStepping(Mutex<SteppingState>);

#[derive(Default)]
pub(in crate::realize) struct SteppingState {
    /// The stage that is being built by hand.
    pub(in crate::realize) in_hand: Option<DRefId>,
    /// The results made by hand.
    pub(in crate::realize) made: Vec<RRefId>,
}

impl SharedStepping {
    pub(in crate::realize) fn lock(&self) -> MutexGuard<'_, SteppingState> {
        // A panic under this lock cannot leave the state inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parts of a build by hand.
pub(in crate::realize) struct ByHandParts {
    pub(in crate::realize) store: Store,
    pub(in crate::realize) dref: AnyDRef,
    pub(in crate::realize) chosen: Chosen,
    pub(in crate::realize) context: Context,
    pub(in crate::realize) record: BuildRecord,
    pub(in crate::realize) draft: Draft,
    pub(in crate::realize) lock: BuildLock,
    pub(in crate::realize) shared: Arc<SharedStepping>,
}

impl<C: Config> ByHand<C> {
    pub(in crate::realize) fn new(build: Build<C>, parts: ByHandParts) -> Self {
        parts.shared.lock().in_hand = Some(parts.dref.id().clone());
        ByHand {
            build,
            store: parts.store,
            dref: parts.dref,
            chosen: parts.chosen,
            context: parts.context,
            record: parts.record,
            draft: Some(parts.draft),
            lock: Some(parts.lock),
            shared: parts.shared,
        }
    }

    /// Publishes the result and returns it. `value` is what the stage's function would return: its outputs, or `()` if the
    /// files were written by other means; all promises are checked in either case.
    ///
    /// The build record says that the result was made by hand, even if you called the stage's function: it does not have the
    /// fingerprint of the stage. When this stepping continues, the matcher sees the result as a candidate. All other runs
    /// treat it as stale and run the stage, unless it is [accepted](Store::accept).
    ///
    /// # Errors
    /// Fails if a promise is broken, if the output cannot be published, if a system call fails, or if the build is finished
    /// already. After an error the build is unchanged: correct the files, and finish again.
    pub fn finish<T: StageValue<C>>(&mut self, value: T) -> Result<RRef<C>> {
        // `value` only proves at compile time that the artifacts were written.
        drop(value);
        let dref = self.dref.id();
        let Some(draft) = &mut self.draft else {
            let message = format!("this build of stage `{}` was finished before", dref.name());
            return Err(Error::new(ErrorKind::Plan, message).with_help(format!(
                "take the stage again for another result\nthe derivation is {dref}"
            )));
        };
        if self.build.log().has_series() {
            draft.has_series();
        }
        let unkept = draft.unkept(self.dref.config_json())?;
        if !unkept.is_empty() {
            let message = format!("this build of stage `{}` is not finished", dref.name());
            return Err(Error::new(ErrorKind::Stage, message)
                .because(promises_not_kept(self.dref.node(), &unkept))
                .with_help(format!(
                    "the build is still open: write what is missing and finish it again, or cancel it\nits folder: {}\nit \
                     is about {dref}",
                    draft.out().display()
                )));
        }
        let code = Code::by_hand();
        code.save(&self.store)?;
        self.record.stop = Timestamp::now();
        self.record.fingerprint = Some(code.fingerprint().to_owned());
        self.record.made_with(code.environment());
        self.record.omitted = self.dref.node().omitted().clone();
        let json = self.dref.config_json();
        let published = draft.publish(json, &self.context, Outcome::Ok, &self.record)?;
        self.shared.lock().made.push(published.id.clone());
        self.remove_and_unlock();
        let realization = self.store.realization(&published.id)?;
        let rref = self.dref.realization(realization, &self.chosen, None);
        match rref.downcast::<C>() {
            Some(rref) => Ok(rref),
            None => unreachable!("it was taken with a node of its config's type"),
        }
    }

    /// Discards the result. Nothing is published, and the stage still has to be built.
    pub fn discard(self) {}

    /// Removes the folder, and then releases the lock.
    fn remove_and_unlock(&mut self) {
        if self.draft.take().is_some() {
            self.lock = None;
            self.shared.lock().in_hand = None;
        }
    }
}

impl<C: Config> Drop for ByHand<C> {
    fn drop(&mut self) {
        self.remove_and_unlock();
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
