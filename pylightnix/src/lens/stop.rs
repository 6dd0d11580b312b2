//! Telling a run of a stage to stop.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Error, ErrorKind, units};

/// Tells one run of a stage to stop, and ends its child processes.
#[derive(Default)]
pub(crate) struct Stop(Mutex<Told>);

#[derive(Default)]
struct Told {
    why: Option<Why>,
    /// Child processes that did not end when they were asked to are killed, and so are new ones.
    insisted: bool,
    /// The process groups of children that nobody has waited for: their numbers stand for nothing else.
    groups: Vec<Pid>,
}

/// The process groups of all runs, as in [`Told::groups`].
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

/// Why a run has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Somebody cancelled all of it.
    Cancelled,
    /// It took longer than this.
    TimeUp(Duration),
}

impl Stop {
    /// Tells the stage, and asks its child processes to end (`SIGTERM`). The first reason counts.
    pub(crate) fn tell(&self, why: Why) {
        let mut told = self.told();
        if told.why.is_none() {
            told.why = Some(why);
            told.signal(Signal::TERM);
        }
    }

    /// Kills the child processes that are still there, once the stage was told.
    pub(crate) fn insist(&self) {
        let mut told = self.told();
        if told.why.is_some() {
            told.insisted = true;
            told.signal(Signal::KILL);
        }
    }

    /// Why it has to stop, if it has to.
    pub(crate) fn why(&self) -> Option<Why> {
        self.told().why
    }

    /// From here on the process group is one of its child processes.
    pub(super) fn watch(&self, group: Pid) {
        let mut told = self.told();
        told.groups.push(group);
        all().push(group);
        // It was told between the last look and now.
        if told.insisted {
            told.signal(Signal::KILL);
        } else if told.why.is_some() {
            told.signal(Signal::TERM);
        }
    }

    /// The leader of the group has ended, and nobody has waited for it yet: ends what it left running.
    pub(super) fn unwatch(&self, group: Pid) {
        let mut told = self.told();
        told.groups.retain(|other| *other != group);
        all().retain(|other| *other != group);
        let _ = kill_process_group(group, Signal::KILL);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Nothing is left half-done under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn signal(&self, signal: Signal) {
        for group in &self.groups {
            // It fails for a group that has ended.
            let _ = kill_process_group(*group, signal);
        }
    }
}

impl Why {
    /// As what a stage that stops returns.
    pub(crate) fn error(self) -> Error {
        match self {
            Why::Cancelled => Error::new(ErrorKind::Cancelled, "it was cancelled"),
            Why::TimeUp(limit) => Error::new(
                ErrorKind::Stage,
                format!("its time limit of {} is up", units::time(limit)),
            )
            .help(
                "give it more time with `#[stage(timeout = \"..\")]`, or for one run with `Realize::timeout_of`",
            ),
        }
    }
}
