//! Stops a run of a stage.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, units};

/// The stop signal of one run of a stage, which also ends its child processes.
#[derive(Default)]
pub(crate) struct Stop(Mutex<State>);

#[derive(Default)]
struct State {
    reason: Option<StopReason>,
    /// Whether child processes are killed, new ones included, because they ignored `SIGTERM`.
    kills: bool,
    /// The process groups of children that were not reaped yet, so that their ids are still reserved.
    groups: Vec<Pid>,
    /// Tells the process that runs the stage, if it is not this one, to stop.
    tell: Option<Box<dyn Fn(StopReason) + Send>>,
}

/// The process groups of all runs, as in [`State::groups`].
static ALL: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Sends a signal to all child processes of all stages.
#[cfg(feature = "signals")]
pub fn signal_children(signal: Signal) {
    for group in all().iter() {
        let _ = kill_process_group(*group, signal);
    }
}

fn all() -> MutexGuard<'static, Vec<Pid>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The reason why a run has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StopReason {
    /// The whole run was cancelled.
    Cancelled,
    /// The run exceeded this time limit.
    TimeUp(Duration),
}

impl Stop {
    /// Tells the stage to stop, and sends `SIGTERM` to its child processes. Later reasons are ignored.
    pub(crate) fn stop(&self, reason: StopReason) {
        let mut state = self.state();
        if state.reason.is_none() {
            state.reason = Some(reason);
            match &state.tell {
                // The process stops the child processes of the stage by itself.
                Some(tell) => tell(reason),
                None => state.signal(Signal::TERM),
            }
        }
    }

    /// Kills the remaining child processes, if the stage was told to stop.
    pub(crate) fn kill(&self) {
        let mut state = self.state();
        if state.reason.is_some() {
            state.kills = true;
            state.signal(Signal::KILL);
        }
    }

    /// Returns the reason to stop; `None` if the stage may go on.
    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.state().reason
    }

    /// Registers the process group of a child process.
    pub(super) fn watch(&self, group: Pid) {
        let mut state = self.state();
        state.groups.push(group);
        all().push(group);
        // The stage may have been told to stop after its last check.
        if state.kills {
            state.signal(Signal::KILL);
        } else if state.reason.is_some() {
            state.signal(Signal::TERM);
        }
    }

    /// Registers the process group of another process that runs the stage, and `tell`, which tells it to stop.
    pub(crate) fn watch_worker(&self, group: Pid, tell: impl Fn(StopReason) + Send + 'static) {
        let mut state = self.state();
        state.groups.push(group);
        all().push(group);
        if let Some(reason) = state.reason {
            tell(reason);
        }
        if state.kills {
            state.signal(Signal::KILL);
        }
        state.tell = Some(Box::new(tell));
    }

    /// Removes the process group of a process that has run the stage.
    pub(crate) fn unwatch_worker(&self, group: Pid) {
        let mut state = self.state();
        state.groups.retain(|other| *other != group);
        state.tell = None;
        all().retain(|other| *other != group);
    }

    /// Removes the process group of a child that has exited and is not reaped yet, and kills the rest of the group.
    pub(super) fn unwatch(&self, group: Pid) {
        let mut state = self.state();
        state.groups.retain(|other| *other != group);
        all().retain(|other| *other != group);
        let _ = kill_process_group(group, Signal::KILL);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state inconsistent, so a poisoned lock is usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn signal(&self, signal: Signal) {
        for group in &self.groups {
            // Fails for a group that has ended.
            let _ = kill_process_group(*group, signal);
        }
    }
}

impl StopReason {
    /// Makes the error that a stopped stage returns.
    pub(crate) fn error(self) -> Error {
        match self {
            StopReason::Cancelled => Error::new(ErrorKind::Cancelled, "it was cancelled"),
            StopReason::TimeUp(limit) => Error::new(
                ErrorKind::Stage,
                format!("its time limit of {} is up", units::text::duration(limit)),
            )
            .with_help(
                "give it more time with `#[stage(timeout = \"..\")]`, or for one run with `Realize::timeout_of`",
            ),
        }
    }
}
