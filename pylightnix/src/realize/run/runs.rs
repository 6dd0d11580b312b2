//! The runs of a build: each goes from a new draft to its publication, with retries.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::counters::{Counters, count};
use crate::config::DRefId;
use crate::lens::{BuildLog, Chosen, Site, StageReport, StopReason};
use crate::plan::{AnyDRef, PlanGraph, Sealing, Titled};
use crate::realize::decide::decision::DecisionInput;
use crate::realize::execute::code::{
    CodeEnd, CodeInput, Returned, begin_notes, end_notes, run_code, site,
};
use crate::realize::execute::{BuildRequest, Work, disk_full};
use crate::realize::failure::errors::{not_begun, promises_not_kept, run_failed, stopped};
use crate::realize::failure::panics::caught;
use crate::realize::failure::recorded;
use crate::realize::options::Realize;
use crate::realize::orders::order::OrderHere;
use crate::realize::processes::Processes;
use crate::realize::processes::message::{BuildOrder, BuildPlace};
use crate::realize::processes::pool::WorkerBuild;
use crate::realize::processes::sandbox::Sandbox;
use crate::realize::report::event::Event;
use crate::realize::resources::units::{HeldUnits, UnitPool};
use crate::realize::stop::watchdog::{WatchHandle, Watchdog};
use crate::store::{
    BuildKind, BuildRecord, Draft, FailedOrder, FailureRecord, Outcome, PublishedRun, Reads,
    RecordedChoice, Waiters,
};
use crate::{BoxError, Error, ErrorKind, Result, units};

/// The runs of one build.
pub(in crate::realize) struct BuildRuns<'a> {
    options: &'a Realize<'a>,
    request: BuildRequest<'a>,
    stage: Titled<'a>,
    counters: Arc<Counters>,
    watchdog: Arc<Watchdog>,
    units: Arc<UnitPool>,
    progress: Option<Arc<SyncSender<StageReport>>>,
    dref: AnyDRef,
    chosen: Chosen,
    choices: BTreeMap<DRefId, RecordedChoice>,
    /// The threads that wait for these runs.
    waiters: Waiters,
    /// The total number of runs of the stage, for the build records.
    of: usize,
    /// The number of runs that have begun.
    begun: AtomicUsize,
    /// The results of the runs that have ended.
    ended: Mutex<Vec<Result<PublishedRun>>>,
    /// Notified when a run ends.
    end: Condvar,
}

/// Runs a stage once in the caller's draft, without publishing.
pub(in crate::realize) fn rehearse(
    options: &Realize<'_>,
    at: usize,
    input: &DecisionInput<'_>,
    draft: &mut Draft,
    index: usize,
) -> Result<(), BoxError> {
    let runs = BuildRuns::new(options, input.graph, at, input, Vec::new(), 0);
    let units = runs.units.take(runs.request.limits);
    let site = site(
        input.dref,
        draft.scratch(),
        Timestamp::now(),
        Arc::default(),
        units.own(),
    );
    let (end, _) = runs.run_code(draft, index, site)?;
    end.returned?
}

/// Keeps the folder of a run that failed after its last attempt, and makes the error. `order` is that of a task.
pub(in crate::realize) fn keep_failed(
    draft: Draft,
    stage: Titled<'_>,
    index: usize,
    attempts: u32,
    cause: BoxError,
    order: Option<FailedOrder>,
) -> Error {
    let cause = match disk_full::is_cause(&draft, &cause) {
        true => disk_full::into_error(&draft, cause),
        false => cause,
    };
    let log = draft.log().exists();
    let text = recorded::text(&cause, draft.out());
    let mut record = FailureRecord::new(stage.dref().clone(), index, attempts, text);
    let stopped = |cause: &Error| cause.kind() == ErrorKind::Cancelled;
    // A stage that was stopped was not tried.
    record.order = order.filter(|_| !cause.downcast_ref().is_some_and(stopped));
    if let Some(folder) = draft.log().parent() {
        // A disk that is full has no room for it.
        let _ = record.write(folder);
    }
    let kept = draft.keep_failed(stage.dref().name());
    let kept = kept.as_deref().map(|folder| (folder, log));
    run_failed(stage, index, attempts, cause, kept)
}

impl<'a> BuildRuns<'a> {
    /// Creates the runs with these indices of the stage with index `at`, which has `of` runs in total. None has begun.
    pub(in crate::realize) fn new(
        options: &'a Realize<'a>,
        graph: &'a PlanGraph,
        at: usize,
        input: &DecisionInput<'_>,
        indices: Vec<usize>,
        of: usize,
    ) -> Self {
        BuildRuns {
            options,
            request: BuildRequest {
                dref: input.dref.id().clone(),
                context: input.context.clone(),
                indices,
                limits: graph.dref(at).node().limits(),
            },
            stage: graph.titled(graph.dref(at).id()),
            counters: Arc::default(),
            watchdog: Arc::default(),
            units: UnitPool::new(&options.resources.units),
            progress: None,
            dref: input.dref.clone(),
            chosen: input.chosen.clone(),
            choices: BTreeMap::new(),
            waiters: Waiters::with_this_thread(),
            of,
            begun: AtomicUsize::new(0),
            ended: Mutex::default(),
            end: Condvar::new(),
        }
    }

    /// Lets a run in progress count, watch and report these runs.
    pub(in crate::realize) fn of_run(
        self,
        counters: &Arc<Counters>,
        watchdog: &Arc<Watchdog>,
        units: &Arc<UnitPool>,
        progress: &Option<Arc<SyncSender<StageReport>>>,
        choices: BTreeMap<DRefId, RecordedChoice>,
    ) -> Self {
        BuildRuns {
            counters: counters.clone(),
            watchdog: watchdog.clone(),
            units: units.clone(),
            progress: progress.clone(),
            choices,
            ..self
        }
    }

    /// Takes the results of the runs that have ended.
    pub(in crate::realize) fn take_ended(&self) -> Vec<Result<PublishedRun>> {
        std::mem::take(&mut *self.ended())
    }

    fn ended(&self) -> MutexGuard<'_, Vec<Result<PublishedRun>>> {
        // A panic cannot leave the list inconsistent.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work for BuildRuns<'_> {
    fn request(&self) -> &BuildRequest<'_> {
        &self.request
    }

    fn make(&self, pause: &dyn Fn() -> bool) -> bool {
        loop {
            let next = self.begun.fetch_add(1, Ordering::AcqRel);
            if next >= self.request.indices.len() {
                return false;
            }
            // If an observer panics, the run still counts as ended: otherwise the thread that builds would wait forever.
            let ended = caught(|| {
                self.waiters
                    .run(|| self.make_one(self.request.indices[next]))
            })
            .unwrap_or_else(|panic| {
                let message = "an observer of the run failed";
                Err(Error::new(ErrorKind::Stage, message).because(panic))
            });
            self.ended().push(ended);
            // Notifying costs a system call, and the thread that makes the only run does not wait.
            if self.request.indices.len() > 1 {
                self.end.notify_all();
            }
            if pause() {
                return self.begun.load(Ordering::Acquire) < self.request.indices.len();
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ended().len() >= self.request.indices.len()
    }

    fn wait(&self) {
        let mut ended = self.ended();
        let count = ended.len();
        while ended.len() == count && count < self.request.indices.len() {
            ended = (self.end.wait(ended)).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl BuildRuns<'_> {
    /// Makes one run, from a new draft to its publication, with retries.
    fn make_one(&self, index: usize) -> Result<PublishedRun> {
        let dref = &self.request.dref;
        let retry = &self.options.retry;
        let retries = retry.retries(&self.dref);
        let mut earlier: Option<Draft> = None;
        // Every attempt has the same.
        let units = self.units.take(self.request.limits);
        for attempt in 1.. {
            let Some(handle) = self.watchdog.begin(dref, index, retry.timeout(&self.dref)) else {
                return Err(not_begun(self.stage));
            };
            if attempt == 1 {
                self.options.notify(&Event::Started { dref, index });
            }
            let (mut draft, record, result) =
                match self.attempt(&handle, &units, index, attempt, earlier.take()) {
                    Ok(made) => made,
                    Err(error) => {
                        self.watchdog.end(&handle);
                        return Err(error);
                    }
                };
            let ending = self.watchdog.end(&handle);
            let result = match (ending.why, result) {
                // The result of a run that completed although the run was cancelled is kept.
                (None | Some(StopReason::Cancelled), Ok(Ok(()))) => Ok(Ok(())),
                (Some(why), Ok(result)) => Err(stopped(why, &ending, result)),
                (Some(why), Err(cause)) => Err(stopped(why, &ending, Err(cause))),
                (None, result) => result,
            };
            let last = attempt > retries || ending.why == Some(StopReason::Cancelled);
            let takes_failures = self.dref.node().takes().failures();
            let cause = match result {
                Ok(Ok(())) => {
                    return match self.publish(&mut draft, &record, Outcome::Ok) {
                        Ok(made) => {
                            self.options.notify(&Event::Published {
                                rref: &made.published.id,
                                index,
                                new: made.published.new,
                                seconds: record.seconds(),
                            });
                            Ok(made)
                        }
                        // An error of the store: retrying the stage would not help.
                        Err(error) => Err(self.failed(draft, index, attempt, error.into())),
                    };
                }
                Ok(Err(returned))
                    if last
                        && takes_failures
                        && !recorded::is_of_the_machine(&returned)
                        && !disk_full::is_cause(&draft, &returned) =>
                {
                    return self.record_failure(draft, &record, &returned, index);
                }
                Ok(Err(cause)) | Err(cause) => cause,
            };
            if last {
                return Err(self.failed(draft, index, attempt, cause));
            }
            let wait = retry.wait(attempt);
            // Other runs continue meanwhile.
            let cause = match disk_full::is_cause(&draft, &cause) {
                true => disk_full::into_error(&draft, cause),
                false => cause,
            };
            let error = Error::new(
                ErrorKind::Stage,
                format!("try {attempt} of stage `{}` failed", self.stage),
            )
            .because(cause);
            // If the log cannot be written, the next attempt reports the error.
            let _ = writeln!(
                &BuildLog::at(draft.log()),
                "[{error:?}\n  try {} of {} begins in {}]",
                attempt + 1,
                u64::from(retries) + 1,
                units::text::duration(wait),
            );
            self.options.notify(&Event::Retrying {
                dref,
                index,
                attempt,
                left: retries - attempt + 1,
                wait,
                error: &error,
            });
            if self.watchdog.sleep(wait) {
                let cause = Error::new(
                    ErrorKind::Cancelled,
                    "it was cancelled between two attempts",
                );
                return Err(self.failed(draft, index, attempt, cause.because(error).into()));
            }
            earlier = Some(draft);
        }
        unreachable!("the number of tries has a limit")
    }

    /// Makes one attempt, which appends to the log of earlier attempts. Returns the draft, the build record and the result.
    fn attempt(
        &self,
        handle: &WatchHandle,
        units: &HeldUnits,
        index: usize,
        attempt: u32,
        earlier: Option<Draft>,
    ) -> Result<(Draft, BuildRecord, Returned)> {
        count(&self.counters.runs);
        let mut draft = self.options.store.draft_of(&self.request.dref, index)?;
        if let Some(earlier) = earlier
            && earlier.log().exists()
        {
            fs::rename(earlier.log(), draft.log())
                .map_err(|error| Error::io("move", earlier.log(), error))?;
        }
        let mut record = BuildRecord::now(BuildKind::Build);
        record.attempts = attempt;
        let stop = handle.stop.clone();
        let site = site(&self.dref, draft.scratch(), record.start, stop, units.own());
        self.options.notify(&Event::Attempt {
            dref: &self.request.dref,
            index,
            log: draft.log(),
        });
        let (end, reads) = self.run_code(&mut draft, index, site)?;
        record.reads = reads;
        record.peak_memory = end.peak_memory;
        record.sealed = self.options.sealing(self.dref.node()).is_some();
        record.stop = Timestamp::now();
        let node = self.dref.node();
        if let Some(code) = node.code() {
            record.fingerprint = Some(code.fingerprint().to_owned());
            record.made_with(code.environment());
        }
        if let Some(origin) = &self.options.origin {
            origin.told_by(&mut record);
        }
        record.omitted = node.omitted().clone();
        record.choices = self.choices.clone();
        record.params = self.options.params.of(&self.request.dref);
        (record.index, record.of) = (Some(index), Some(self.of));
        Ok((draft, record, end.returned))
    }

    fn publish(
        &self,
        draft: &mut Draft,
        record: &BuildRecord,
        outcome: Outcome,
    ) -> Result<PublishedRun> {
        let json = self.dref.config_json();
        let mut made = draft.make(json, &self.request.context, outcome, record)?;
        self.options.store.index_published(&mut made);
        if !made.published.new {
            count(&self.counters.repeated);
        }
        Ok(made)
    }

    fn failed(&self, draft: Draft, index: usize, attempts: u32, cause: BoxError) -> Error {
        let dref = &self.request.dref;
        let order = self.options.order.as_ref().and_then(OrderHere::told);
        let error = keep_failed(draft, self.stage, index, attempts, cause, order);
        self.options.notify(&Event::RunFailed {
            dref,
            index,
            kept: error.path(),
            error: &error,
        });
        error
    }

    /// Publishes an error that the stage returned as a recorded failure, with its text and the log. Keeps the files that the
    /// stage wrote with the failed builds, for inspection.
    fn record_failure(
        &self,
        draft: Draft,
        record: &BuildRecord,
        error: &BoxError,
        index: usize,
    ) -> Result<PublishedRun> {
        let text = recorded::text(error, draft.out());
        let mut failure = self.options.store.draft()?;
        let path = failure.out().join(recorded::FAILURE);
        fs::write(&path, &text).map_err(|error| Error::io("write", &path, error))?;
        match fs::rename(draft.log(), failure.log()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("keep the log", draft.log(), error));
            }
            _ => {}
        }
        failure.take_series(&draft)?;
        let made = self.publish(&mut failure, record, Outcome::Failed)?;
        if has_files(draft.out()) {
            // These files are not part of the result, so an error is ignored.
            let _ = draft.keep_failed(self.request.dref.name());
        }
        self.options.notify(&Event::FailureRecorded {
            rref: &made.published.id,
            index,
            new: made.published.new,
            seconds: record.seconds(),
            text: text.trim_end(),
        });
        Ok(made)
    }

    /// Runs the code of the stage, and checks its promises. Returns what the run looked at, too.
    fn run_code(
        &self,
        draft: &mut Draft,
        index: usize,
        site: Site,
    ) -> Result<(CodeEnd, Option<Reads>)> {
        let node = self.dref.node();
        let (end, reads) = match (self.options.sealing(node), &self.options.processes) {
            (Some(sealing), _) => {
                let sandboxes = &self.options.sandboxes;
                self.run_elsewhere(sandboxes, Some(sealing), draft, index, &site)?
            }
            (None, Some(processes)) if node.leaves_the_process() => {
                self.run_elsewhere(processes, None, draft, index, &site)?
            }
            _ => self.run_here(draft, index, site),
        };
        if end.has_series {
            draft.has_series();
        }
        let returned = match end.returned {
            Ok(Ok(())) => match draft.unkept(self.dref.config_json()) {
                Ok(unkept) if !unkept.is_empty() => {
                    Err(promises_not_kept(self.dref.node(), &unkept))
                }
                // Publishing reports other violations.
                _ => Ok(Ok(())),
            },
            other => other,
        };
        Ok((CodeEnd { returned, ..end }, reads))
    }

    /// Runs the code of the stage on this thread.
    fn run_here(&self, draft: &Draft, index: usize, site: Site) -> (CodeEnd, Option<Reads>) {
        let has_context = !self.request.context.is_empty();
        let notes = begin_notes(&self.dref, index, has_context, self.progress.as_ref());
        let chosen = match &notes {
            Some(notes) => self.chosen.noted(notes.clone()),
            None => self.chosen.clone(),
        };
        let given = CodeInput {
            chosen: &chosen,
            cache: &self.options.store.cache_dir(),
            args: &self.options.args,
            progress: self.progress.clone(),
            index,
            site,
        };
        let end = run_code(&self.dref, draft.out(), draft.log(), given);
        (end, end_notes(&self.dref, notes))
    }

    /// Runs the code of the stage in a process of its own.
    fn run_elsewhere(
        &self,
        processes: &Processes,
        sealing: Option<Sealing>,
        draft: &Draft,
        index: usize,
        site: &Site,
    ) -> Result<(CodeEnd, Option<Reads>)> {
        let place = BuildPlace {
            out: draft.out(),
            log: draft.log(),
            scratch: draft.scratch(),
        };
        let order = BuildOrder::new(&self.dref, &self.chosen, index, site, place);
        let report = |report: StageReport| {
            if let Some(progress) = &self.progress {
                // As for a stage of this process, which does not wait for observers.
                let _ = progress.try_send(report);
            }
        };
        let sandbox = sealing.map(|sealing| Sandbox::new(sealing, &self.chosen, draft));
        let build = WorkerBuild {
            order,
            sandbox: sandbox.transpose()?,
            memory: self.options.memory_limit(self.request.limits),
            stop: &site.stop,
            report: &report,
            guarded: &|guard| self.options.tell_guard(guard),
        };
        let ended = processes.build(&self.options.store, build)?;
        // The worker makes the log before it knows whether anything is printed.
        if fs::metadata(draft.log()).is_ok_and(|log| log.len() == 0) {
            let _ = fs::remove_file(draft.log());
        }
        Ok(ended)
    }
}

/// Returns whether a folder contains anything except folders.
fn has_files(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|entry| match entry.file_type() {
                Ok(kind) if kind.is_dir() => has_files(&entry.path()),
                _ => true,
            })
        })
    })
}
