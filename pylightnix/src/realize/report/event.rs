//! The events of a run, which observers receive.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use crate::Error;
use crate::config::{DRefId, RRefId};
use crate::realize::report::carried::CarriedWhy;
use crate::realize::report::code_notes::EarlierResults;
use crate::realize::report::memory_guard::MemoryGuard;
use crate::realize::report::reason::Reason;
use crate::realize::report::titles::Titles;

/// An event of a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins.
    #[non_exhaustive]
    Begun {
        /// The number of derivations in the plan.
        stages: usize,
        /// How many of them were chosen before, for questions that were asked while the plan was made.
        chosen: usize,
        /// The titles of the stages.
        titles: &'a Titles,
    },
    /// A stage has to run, and the store has results of a version of this library that did not follow what stages call. Sent at
    /// most once, before anything is built.
    #[non_exhaustive]
    EarlierResults {
        /// The results.
        results: &'a EarlierResults,
    },
    /// The first stage has to run, and these stages are not decided yet. Sent at most once, before the first
    /// [`Building`](Self::Building); not sent if everything is reused.
    #[non_exhaustive]
    Left {
        /// The derivations.
        drefs: &'a [&'a DRefId],
    },
    /// A stage has to run.
    #[non_exhaustive]
    Building {
        /// The derivation.
        dref: &'a DRefId,
        /// The number of runs.
        runs: usize,
        /// The reason.
        reason: &'a Reason,
        /// A summary of what changed, computed when it is displayed.
        why: &'a Brief<'a>,
    },
    /// A stage that has to run waits for resources: threads, memory or a named resource.
    #[non_exhaustive]
    Queued {
        /// The derivation.
        dref: &'a DRefId,
    },
    /// A stage begins in a process of its own, and may use the memory that it declares. Sent at most once in a run for each way to
    /// keep such limits.
    #[non_exhaustive]
    MemoryLimited {
        /// What keeps the limit.
        guard: MemoryGuard,
    },
    /// Another process or thread builds the same stage, and this one waits for it.
    #[non_exhaustive]
    Waiting {
        /// The derivation.
        dref: &'a DRefId,
    },
    /// How many tasks the run waits for, if its stages run as tasks of an [`Executor`](crate::realize::Executor). Sent when that
    /// changes, as far as the executor says it.
    #[non_exhaustive]
    Tasks {
        /// The number of tasks that wait.
        queued: usize,
        /// Why they wait, each reason once.
        reasons: &'a [&'a str],
        /// The number of tasks that run.
        running: usize,
        /// The machines where they run, each once.
        hosts: &'a [&'a str],
    },
    /// A run of a stage begins.
    #[non_exhaustive]
    Started {
        /// The derivation.
        dref: &'a DRefId,
        /// The index of the run, as `b.index()` returns it.
        index: usize,
    },
    /// An attempt of a run begins, whose output goes to this file.
    #[non_exhaustive]
    Attempt {
        /// The derivation.
        dref: &'a DRefId,
        /// The index of the run.
        index: usize,
        /// The log. The file does not exist before the first output, and is renamed when the run succeeds.
        log: &'a Path,
    },
    /// An attempt of a run failed, and the next one begins after a wait.
    #[non_exhaustive]
    Retrying {
        /// The derivation.
        dref: &'a DRefId,
        /// The index of the run.
        index: usize,
        /// The number of the failed attempt, from 1.
        attempt: u32,
        /// The number of remaining attempts.
        left: u32,
        /// The wait before the next attempt.
        wait: Duration,
        /// The error.
        error: &'a Error,
    },
    /// A run of a stage was told to stop and still goes on. It can only be waited for, unless the program is ended.
    #[non_exhaustive]
    Overdue {
        /// The derivation.
        dref: &'a DRefId,
        /// The index of the run.
        index: usize,
        /// The reason to stop, with advice about how the stage can check for it.
        error: &'a Error,
    },
    /// A run of a stage reports progress with [`Build::progress`](crate::lens::Build::progress).
    ///
    /// Sent from a separate thread, at most ten times per second for each run; it may arrive a moment after the run has
    /// ended.
    #[non_exhaustive]
    Progress {
        /// The derivation.
        dref: &'a DRefId,
        /// The index of the run.
        index: usize,
        /// The completed amount, in the stage's own unit: bytes, for `fetch_url`.
        done: u64,
        /// The total amount, if it is known.
        total: Option<u64>,
    },
    /// A run of a stage recorded a number with [`Build::record`](crate::lens::Build::record). Only numbers of the series that the run
    /// began first are told, at most ten times per second for each run; all of them are in the file that the run writes.
    #[non_exhaustive]
    Recorded {
        /// The derivation.
        dref: &'a DRefId,
        /// The index of the run.
        index: usize,
        /// The name of the series.
        name: &'a str,
        /// The step.
        step: u64,
        /// The number.
        value: f64,
    },
    /// After a run of a stage had ended, one of its dependencies was looked at through a handle that had left the stage. The
    /// build record does not have that, so it is an error of the stage: a result must not depend on it. Sent once for a run of a stage,
    /// from a separate thread, and only while the run of the plan goes on; the crate `tracing` gets an error in any case.
    #[non_exhaustive]
    LookedLate {
        /// The derivation.
        dref: &'a DRefId,
        /// The index of the run.
        index: usize,
        /// The derivation of what was looked at.
        of: &'a DRefId,
        /// The error.
        error: &'a Error,
    },
    /// A run of a stage succeeded, and its result is in the store.
    #[non_exhaustive]
    Published {
        /// The realization.
        rref: &'a RRefId,
        /// The index of the run.
        index: usize,
        /// Whether the result is new to the store.
        new: bool,
        /// The duration of the run, in seconds.
        seconds: f64,
    },
    /// A run of a fallible stage failed, and the failure is recorded in the store as the result.
    #[non_exhaustive]
    FailureRecorded {
        /// The realization that records the failure.
        rref: &'a RRefId,
        /// The index of the run.
        index: usize,
        /// Whether the failure is new to the store.
        new: bool,
        /// The duration of the run, in seconds.
        seconds: f64,
        /// The text of the error.
        text: &'a str,
    },
    /// A run of a stage failed after its last attempt, or was stopped.
    #[non_exhaustive]
    RunFailed {
        /// The derivation.
        dref: &'a DRefId,
        /// The index of the run.
        index: usize,
        /// The folder that is kept for inspection, with the output in `out` and the log, if any, in `log`.
        kept: Option<&'a Path>,
        /// The error.
        error: &'a Error,
    },
    /// A build record ends more than an hour ahead of this machine's clock. It counts as a record without a time, and its
    /// realization is chosen last. Sent once in a run, for the first such record.
    #[non_exhaustive]
    AheadOfClock {
        /// The realization.
        rref: &'a RRefId,
        /// The end of the build, according to the record.
        ended: jiff::Timestamp,
    },
    /// Results of a stage from another context were published with the new one, without a run: all that the stage read is the
    /// same. A [`Chosen`](Self::Chosen) follows.
    #[non_exhaustive]
    Carried {
        /// The derivation.
        dref: &'a DRefId,
        /// The realizations in the new context.
        rrefs: &'a [&'a RRefId],
        /// The dependencies that have other realizations than before.
        why: &'a CarriedWhy,
        /// The name or the address of the remote that has them from the other context; `None` if they were in the store.
        remote: Option<&'a str>,
    },
    /// Results of a stage were taken from a remote: they are in the store now, and the matcher chose them, or the stage needed them for
    /// its number of runs.
    #[non_exhaustive]
    Fetched {
        /// The derivation.
        dref: &'a DRefId,
        /// The realizations.
        rrefs: &'a [&'a RRefId],
        /// The name of the remote, or its address.
        remote: &'a str,
        /// The bytes that came.
        bytes: u64,
    },
    /// A remote could not be asked, or what it has of a stage is broken: it counts as one that has nothing.
    #[non_exhaustive]
    RemoteFailed {
        /// The name of the remote, or its address.
        remote: &'a str,
        /// Why.
        error: &'a Error,
        /// Whether it is not asked again in this run.
        is_out: bool,
    },
    /// A stage has to run, and a remote has results of it from the same context by other code. Sent once for each stage function.
    #[non_exhaustive]
    OtherCode {
        /// The derivation.
        dref: &'a DRefId,
        /// The name of the remote, or its address.
        remote: &'a str,
        /// The number of those results.
        results: usize,
        /// What differs, in words for people: `` stage `train` (src/main.rs:7) changed, theirs of 2026-11-28 ``.
        why: &'a str,
    },
    /// The matcher of a stage chose realizations.
    #[non_exhaustive]
    Chosen {
        /// The derivation.
        dref: &'a DRefId,
        /// The chosen realizations.
        rrefs: &'a [&'a RRefId],
        /// Whether this run built the stage, rather than reusing results.
        built: bool,
        /// Whether this run carried the results from another context.
        carried: bool,
        /// Whether this run took results from a remote.
        fetched: bool,
    },
    /// The run was cancelled: no further run begins, and the running stages are told to stop.
    #[non_exhaustive]
    Stopping {
        /// The number of runs in progress.
        running: usize,
    },
    /// A stage was stopped because the run was cancelled.
    #[non_exhaustive]
    Cancelled {
        /// The derivation.
        dref: &'a DRefId,
        /// The error of its runs.
        error: &'a Error,
    },
    /// A stage failed.
    #[non_exhaustive]
    Failed {
        /// The derivation.
        dref: &'a DRefId,
        /// The error.
        error: &'a Error,
    },
}

/// An observer of a run, which receives events from several threads at once. Any `Fn(&Event)` is one.
pub trait Observer: Send + Sync {
    /// Receives an event.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}

/// A summary of what changed, as the reason why a stage is built: `config changed: rate 0.1 -> 0.2`, or ``from `load`: path
/// "a.csv" -> "b.csv"``.
///
/// It is computed when it is displayed, for the first 300 stages that a run builds; for others it displays the [`Reason`].
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
