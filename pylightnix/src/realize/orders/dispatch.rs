//! The builds of a run that go elsewhere: threads of the run hand them over and wait, and a thread of its own, the [engine](super::engine),
//! makes tasks of them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::engine::Engine;
use super::executor::Executor;
use super::order::OrderedBy;
use super::ticket::{News, Ticket, TicketEnd};
use crate::realize::processes::answered::Answered;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// How long a thread waits before it looks whether the engine lives.
const LOOK: Duration = Duration::from_secs(5);

/// Returns the folder of the run, if it has one.
pub(in crate::realize) type RunFolderOf = Arc<dyn Fn() -> Option<PathBuf> + Send + Sync>;

/// What the engine has to know of a run.
pub(in crate::realize) struct RunInput {
    pub(in crate::realize) store: Store,
    pub(in crate::realize) common: OrderedBy,
    pub(in crate::realize) folder: Option<RunFolderOf>,
}

impl RunInput {
    /// Returns the identifier of the run, if it has a folder.
    pub(in crate::realize) fn run(&self) -> Option<Uuid> {
        let folder = self.folder.as_ref()?()?;
        Uuid::try_parse(folder.file_name()?.to_str()?).ok()
    }
}

/// Hands builds to an executor.
pub(in crate::realize) struct Dispatcher {
    executor: Arc<dyn Executor>,
    shared: Arc<Shared>,
    engine: Mutex<Option<JoinHandle<()>>>,
}

/// What the threads of the run and the engine share.
#[derive(Default)]
pub(in crate::realize) struct Shared {
    state: Mutex<State>,
    /// Notified when there is something for the engine.
    pub(in crate::realize) wake: Condvar,
}

#[derive(Default)]
pub(in crate::realize) struct State {
    pub(in crate::realize) answered: Answered,
    /// The builds that the engine has not taken.
    pub(in crate::realize) incoming: Vec<Arc<Ticket>>,
    /// Whether no further build is to begin.
    pub(in crate::realize) stopping: bool,
    /// Whether builds that have begun are to end, too.
    pub(in crate::realize) cancelled: bool,
    /// Whether the run is over.
    pub(in crate::realize) closed: bool,
    /// Whether the engine is gone.
    pub(in crate::realize) dead: bool,
}

impl Shared {
    pub(in crate::realize) fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dispatcher {
    pub(in crate::realize) fn new(executor: impl Executor + 'static) -> Self {
        Dispatcher {
            executor: Arc::new(executor),
            shared: Arc::default(),
            engine: Mutex::default(),
        }
    }

    /// Notes an answer of the run, from which tasks make the plan.
    pub(in crate::realize) fn answered(&self, target: &str, answer: &impl Serialize) {
        self.shared.state().answered.add(target, answer);
    }

    /// Hands over a build.
    pub(in crate::realize) fn order(
        &self,
        input: impl FnOnce() -> RunInput,
        ticket: Ticket,
    ) -> Result<Arc<Ticket>> {
        self.begin(input)?;
        let ticket = Arc::new(ticket);
        let mut state = self.shared.state();
        if state.stopping || state.cancelled {
            ticket.tell(News::Ended(TicketEnd::Withdrawn));
        } else {
            state.incoming.push(ticket.clone());
            drop(state);
            self.shared.wake.notify_one();
        }
        Ok(ticket)
    }

    /// Waits for what is said of a build.
    pub(in crate::realize) fn wait(&self, ticket: &Ticket) -> News {
        loop {
            if let Some(news) = ticket.next(LOOK) {
                return news;
            }
            if self.shared.state().dead {
                let message = "the thread that talks to the executor failed";
                let error = Error::new(ErrorKind::Stage, message);
                return News::Ended(TicketEnd::Refused(error));
            }
        }
    }

    /// Begins a plan: that an earlier one stopped does not count.
    pub(in crate::realize) fn resume(&self) {
        self.shared.state().stopping = false;
    }

    /// Begins no further build.
    pub(in crate::realize) fn stop(&self) {
        self.shared.state().stopping = true;
        self.shared.wake.notify_one();
    }

    /// Ends all builds.
    pub(in crate::realize) fn cancel(&self) {
        let mut state = self.shared.state();
        state.stopping = true;
        state.cancelled = true;
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Starts the engine, at the first build.
    fn begin(&self, input: impl FnOnce() -> RunInput) -> Result<()> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if engine.is_some() {
            return Ok(());
        }
        let new = Engine::new(self.executor.clone(), self.shared.clone(), input());
        let shared = self.shared.clone();
        let run = move || {
            // Marks the engine as gone also if it panics, so that no thread of the run waits for it.
            let _alive = Alive(shared);
            new.run();
        };
        let thread = thread::Builder::new().name("orders".to_owned()).spawn(run);
        *engine = Some(thread.map_err(|error| {
            let message = "cannot start the thread that talks to the executor";
            Error::new(ErrorKind::Io, message).because(error)
        })?);
        Ok(())
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.wake.notify_one();
        let engine = self.engine.get_mut();
        let engine = engine.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(engine) = engine {
            let _ = engine.join();
        }
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.state().dead = true;
    }
}
