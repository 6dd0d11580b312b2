//! The events of a run, which observers are told.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use crate::Error;
use crate::config::{DRefId, RRefId};
use crate::realize::report::reason::Reason;
use crate::realize::report::titles::Titles;

/// Something that happened in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins.
    Begun {
        /// How many derivations the plan has.
        stages: usize,
        /// What they are called.
        titles: &'a Titles,
    },
    /// A stage has to run, for the first time in the run: these stages are not decided yet. It is told once, before that
    /// [`Building`](Self::Building), and not at all when everything is reused.
    Left {
        /// The derivations.
        drefs: &'a [&'a DRefId],
    },
    /// A stage has to run.
    Building {
        /// The derivation.
        dref: &'a DRefId,
        /// How many runs it takes.
        runs: usize,
        /// Why.
        reason: &'a Reason,
        /// Why, in words that say what changed; that is looked up when it is displayed.
        why: &'a Brief<'a>,
    },
    /// A stage has to run, and waits until what it needs is free: threads, memory or a named resource.
    Queued {
        /// The derivation.
        dref: &'a DRefId,
    },
    /// Another process or thread builds the same stage, and this one waits for it.
    Waiting {
        /// The derivation.
        dref: &'a DRefId,
    },
    /// One run of a stage begins.
    Started {
        /// The derivation.
        dref: &'a DRefId,
        /// Which run, as `b.index()` says.
        index: usize,
    },
    /// A try of a run begins; what it prints goes to this file.
    Attempt {
        /// The derivation.
        dref: &'a DRefId,
        /// Which run.
        index: usize,
        /// The log. It is not there before something is printed; of a run that ends well, it is renamed.
        log: &'a Path,
    },
    /// A run of a stage failed, and is made again after a wait.
    Retrying {
        /// The derivation.
        dref: &'a DRefId,
        /// Which run.
        index: usize,
        /// Which try failed, from 1.
        attempt: u32,
        /// How many more there may be.
        left: u32,
        /// How long it waits before the next one.
        wait: Duration,
        /// Why it failed.
        error: &'a Error,
    },
    /// A run of a stage was told to stop, and goes on: nothing can be done but to wait for it, or to end the program.
    Overdue {
        /// The derivation.
        dref: &'a DRefId,
        /// Which run.
        index: usize,
        /// Why it has to stop, and what the stage can do better.
        error: &'a Error,
    },
    /// One run of a stage says how far it is, by [`Build::progress`](crate::lens::Build::progress).
    ///
    /// It is told on a thread of its own, at most ten times in a second for each run of a stage; it may come a moment after
    /// the run has ended.
    Progress {
        /// The derivation.
        dref: &'a DRefId,
        /// Which run.
        index: usize,
        /// How much is done, in the stage's own unit: bytes, for `fetch_url`.
        done: u64,
        /// Of how much, if that is known.
        total: Option<u64>,
    },
    /// One run of a stage succeeded, and its result is in the store.
    Published {
        /// The realization.
        rref: &'a RRefId,
        /// Which run.
        index: usize,
        /// Whether the result was not there before.
        new: bool,
        /// How long the run took, in seconds.
        seconds: f64,
    },
    /// One run of a stage failed, and the failure is a result, which is in the store.
    FailureRecorded {
        /// The realization that it is.
        rref: &'a RRefId,
        /// Which run.
        index: usize,
        /// Whether it had not failed like this before.
        new: bool,
        /// How long the run took, in seconds.
        seconds: f64,
        /// What the error said.
        text: &'a str,
    },
    /// One run of a stage failed for good, or was stopped.
    RunFailed {
        /// The derivation.
        dref: &'a DRefId,
        /// Which run.
        index: usize,
        /// The folder that is kept of it, with its output in `out` and its log, if it has one, in `log`.
        kept: Option<&'a Path>,
        /// Why it failed.
        error: &'a Error,
    },
    /// A realization that the run looked at has a build record that lies more than an hour ahead of this machine's clock: it
    /// counts as one without a time, and is chosen last. It is told once in a run, of the first that is found.
    AheadOfClock {
        /// The realization.
        rref: &'a RRefId,
        /// When that build ended, as its record says.
        ended: jiff::Timestamp,
    },
    /// The matcher of a stage chose.
    Chosen {
        /// The derivation.
        dref: &'a DRefId,
        /// What it chose.
        rrefs: &'a [&'a RRefId],
        /// Whether this run built something for it; else it was there.
        built: bool,
    },
    /// The run was cancelled: the runs of stages under way are told to stop, and no other begins.
    Stopping {
        /// How many runs go on.
        running: usize,
    },
    /// A stage was stopped, as all stages are.
    Cancelled {
        /// The derivation.
        dref: &'a DRefId,
        /// What became of its runs.
        error: &'a Error,
    },
    /// A stage failed.
    Failed {
        /// The derivation.
        dref: &'a DRefId,
        /// Why.
        error: &'a Error,
    },
}

/// Is told what happens in a run, from several threads at once. Any `Fn(&Event)` is one.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}

/// Why a stage is built, in a few words that say what changed: `config changed: rate 0.1 -> 0.2`, or
/// ``from `load`: path "a.csv" -> "b.csv"``.
///
/// Nothing is looked up before it is displayed. It is told of the first 300 stages that a run builds; of others, it is the
/// [`Reason`].
pub struct Brief<'a> {
    find: &'a (dyn Fn() -> String + Sync),
    text: OnceLock<String>,
}

impl<'a> Brief<'a> {
    pub(in crate::realize) fn new(find: &'a (dyn Fn() -> String + Sync)) -> Self {
        let text = OnceLock::new();
        Brief { find, text }
    }
}

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.get_or_init(self.find))
    }
}

impl fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Brief({:?})", self.text.get())
    }
}
