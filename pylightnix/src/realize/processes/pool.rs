//! The workers of a run: started when they are needed, and kept for the next build.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::answered::Answered;
use super::message::BuildOrder;
use super::process::{WorkerEnd, WorkerProcess, said};
use super::sandbox::Sandbox;
use super::sandbox::explain::explained;
use crate::lens::{StageReport, Stop};
use crate::realize::execute::code::CodeEnd;
use crate::realize::report::memory_guard::MemoryGuard;
use crate::store::{Reads, Store};
use crate::{Error, ErrorKind, Result};

/// Runs the code of stages in processes of their own: see [`Realize::on`](crate::realize::Realize::on).
#[derive(Default)]
pub struct Processes(Mutex<State>);

#[derive(Default)]
struct State {
    /// The workers that wait for a build.
    idle: Vec<WorkerProcess>,
    /// The answers that the run gave.
    answered: Answered,
    /// Why workers refused: the others would, too.
    refused: Option<String>,
}

/// A run of a stage that a worker has to make.
pub(in crate::realize) struct WorkerBuild<'a> {
    pub(in crate::realize) order: BuildOrder,
    /// What it may reach, if it is sealed.
    pub(in crate::realize) sandbox: Option<Sandbox>,
    /// How many bytes of memory it may use, if that is limited.
    pub(in crate::realize) memory: Option<u64>,
    pub(in crate::realize) stop: &'a Stop,
    pub(in crate::realize) report: &'a dyn Fn(StageReport),
    /// Is told what keeps the limit of memory.
    pub(in crate::realize) guarded: &'a dyn Fn(MemoryGuard),
}

impl Processes {
    /// Creates workers as they are needed, at most as many as stages run at once.
    pub fn new() -> Self {
        Processes::default()
    }

    /// Notes an answer of the run, from which workers that start later make the plan.
    pub(in crate::realize) fn answered(&self, target: &str, answer: &impl Serialize) {
        self.state().answered.add(target, answer);
    }

    /// Notes all answers so far of a run that goes on in another process.
    pub(in crate::realize) fn answered_so_far(&self, answered: Answered) {
        self.state().answered = answered;
    }

    /// Has a stage run in a worker, and returns how its code ended and what it looked at. Fails if no process could run it.
    ///
    /// A worker that is sealed, or has a limit of memory, makes no other run.
    pub(in crate::realize) fn build(
        &self,
        store: &Store,
        build: WorkerBuild<'_>,
    ) -> Result<(CodeEnd, Option<Reads>)> {
        let is_sealed = build.sandbox.is_some();
        let is_for_others = !is_sealed && build.memory.is_none();
        let mut worker = match is_for_others {
            true => self.take(store)?,
            false => self.start(store, build.sandbox)?,
        };
        if let Some(bytes) = build.memory {
            (build.guarded)(worker.limit_memory(bytes));
        }
        let ended = worker.build(build.order, build.stop, build.report)?;
        let refused = worker.refused();
        let exceeded = worker.exceeded();
        match &ended {
            WorkerEnd::Ended(end) if is_for_others && !end.left_behind => {
                self.state().idle.push(worker);
            }
            // Ends what the stage left behind, which may still write.
            _ => drop(worker),
        }
        let (mut code, reads) = self.end_of(ended)?;
        if is_sealed {
            code.returned = explained(code.returned, &refused);
        }
        code.returned = match (exceeded, code.returned) {
            // Not a result of the stage, as the next time there may be memory.
            (Some(exceeded), Ok(Err(cause)) | Err(cause)) => Err(exceeded.of_child(cause)),
            (_, returned) => returned,
        };
        Ok((code, reads))
    }

    /// Returns how the code of a stage ended, and what it looked at. Fails if no process could run it.
    fn end_of(&self, ended: WorkerEnd) -> Result<(CodeEnd, Option<Reads>)> {
        match ended {
            WorkerEnd::Ended(end) => {
                let end = *end;
                let code = CodeEnd {
                    returned: end.returned.into_returned(),
                    has_series: end.has_series,
                    peak_memory: end.peak_memory,
                };
                Ok((code, end.reads))
            }
            WorkerEnd::Refused(error) => Err(self.refuse(error)),
            WorkerEnd::Died(death, has_series) => {
                let error = match death.exceeded {
                    Some(exceeded) => exceeded.of_stage(),
                    None => {
                        let message = format!("its process {}", said(death.status));
                        let error = Error::new(ErrorKind::Stage, message);
                        error.with_help("what it printed last is in its log").into()
                    }
                };
                let code = CodeEnd {
                    returned: Err(error),
                    has_series,
                    peak_memory: None,
                };
                Ok((code, None))
            }
        }
    }

    /// Returns a worker whose plan was made from all answers so far.
    fn take(&self, store: &Store) -> Result<WorkerProcess> {
        let mut state = self.unless_refused()?;
        let now = state.answered.count;
        while let Some(worker) = state.idle.pop() {
            if worker.answers == now {
                return Ok(worker);
            }
        }
        drop(state);
        self.start(store, None)
    }

    /// Starts a worker whose plan is made from all answers so far.
    fn start(&self, store: &Store, sandbox: Option<Sandbox>) -> Result<WorkerProcess> {
        let state = self.unless_refused()?;
        let now = state.answered.count;
        let json = state.answered.json();
        drop(state);
        WorkerProcess::start(store, now, json, sandbox)?.map_err(|error| self.refuse(error))
    }

    /// Returns the state, unless a worker refused: then another one would, too.
    fn unless_refused(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        match &state.refused {
            Some(refused) => Err(Error::new(ErrorKind::Plan, refused.clone())),
            None => Ok(state),
        }
    }

    fn refuse(&self, error: Error) -> Error {
        self.state().refused = Some(error.to_string());
        error
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processes").finish_non_exhaustive()
    }
}
