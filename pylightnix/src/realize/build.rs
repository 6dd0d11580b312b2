//! Building a stage: its runs, side by side, and their publication.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use jiff::Timestamp;

use super::arguments;
use super::context::choices;
use super::decide::{Decision, Found, Mode, Scene, Taken};
use super::event::Event;
use super::failed;
use super::failure::{matcher_refused, not_begun, promises_not_kept, run_failed, stopped, too_few};
use super::full;
use super::options::Realize;
use super::panics::caught;
use super::promises;
use super::report::{Counters, count};
use super::run::RunState;
use super::runs::Due;
use super::scheduler::Shared;
use super::warden::{Ticket, Warden};
use super::why::Brief;
use crate::around;
use crate::config::DRefId;
use crate::lens::{BuildLog, Chosen, Progress, Site, Step, Stop, Why};
use crate::plan::{AnyDRef, Graph, Run, Titled};
use crate::store::{
    Begun, BuildKind, BuildRecord, Context, Draft, Errand, Made, Outcome, RecordedChoice,
};
use crate::{BoxError, Error, ErrorKind, Result, units};

/// Builds what is missing, and says what the matcher took then and whether anything ran.
pub(super) fn build(
    run: &RunState<'_>,
    at: usize,
    scene: &Scene<'_>,
    mode: Mode,
) -> Result<(Taken, bool)> {
    let dref = scene.dref.id();
    let store = scene.store;
    let on_wait = &mut || run.tell(&Event::Waiting { dref });
    let lock = match run.options.cancel {
        None => store.lock_build(dref, scene.context, on_wait)?,
        Some(_) => {
            let go_on = || !run.warden.is_cancelled();
            let lock = store.lock_build_while(dref, scene.context, on_wait, &go_on)?;
            lock.ok_or_else(|| not_begun(scene.titled()))?
        }
    };
    // Another process may just have made it.
    let look = store.look_now(scene.dref.config_json())?;
    store.settle(&[(dref, &look)])?;
    let again = Scene {
        found: Found::Before(&look),
        ..*scene
    };
    let (due, reason) = match again.decide(mode)? {
        Decision::Take { taken, over } => {
            store.mark_ended(dref, &over)?;
            count(&run.counters.reused);
            return Ok((taken, false));
        }
        Decision::Never(why) => return Err(matcher_refused(scene.titled(), &why)),
        Decision::Build { due, reason } => (due, reason),
    };
    let more = due.len();
    arguments::check_one(run.options, scene.dref)?;
    run.configs.check(run.graph, at)?;
    count(&run.counters.built);
    run.tell_left();
    let find = || run.brief(at, &reason);
    run.tell(&Event::Building {
        dref,
        runs: more,
        reason: &reason,
        why: &Brief::new(&find),
    });
    if let Some(code) = scene.dref.node().code() {
        store.save_code(code.fingerprint(), code.text())?;
    }
    let mut marks = due.ends.clone();
    if more > 1 {
        marks.push(mark(scene, &due)?);
    }
    // If a run fails, or this process dies, the marks stay: the runs that are missing then are made next time.
    let made = run_all(run, at, scene, due)?;
    store.mark_ended(dref, &marks)?;
    let new = made.iter().filter(|made| made.published.new).count();
    let published: Option<Vec<_>> = made.into_iter().map(|made| made.realization).collect();
    let with_those = Scene {
        found: match &published {
            Some(published) => Found::After(&look, published),
            None => Found::Now,
        },
        ..*scene
    };
    let chosen = with_those.decide(Mode::Made)?;
    drop(lock);
    match chosen {
        Decision::Take { taken, .. } => Ok((taken, true)),
        Decision::Never(why) => Err(matcher_refused(scene.titled(), &why)),
        Decision::Build { due: missing, .. } => {
            let there: Vec<_> = scene
                .store
                .candidates(dref, scene.context)?
                .iter()
                .map(|realization| format!("\n{}", realization.id))
                .collect();
            Err(too_few(
                scene.titled(),
                more,
                new,
                &there.concat(),
                missing.len(),
            ))
        }
    }
}

/// Marks that these runs have begun, and gives the name of the mark.
fn mark(scene: &Scene<'_>, due: &Due) -> Result<String> {
    let node = scene.dref.node();
    let begun = Begun {
        name: String::new(),
        fingerprint: node.code().map(|code| code.fingerprint().to_owned()),
        omitted: node.omitted().clone(),
        first: due.at(0),
        of: due.of,
        nouts: node.nouts(),
    };
    let dref = scene.dref.id();
    scene.store.mark_begun(dref, scene.context, &begun)
}

/// The runs of one build, which idle threads share.
struct Runs<'a> {
    options: &'a Realize<'a>,
    graph: &'a Graph,
    counters: Arc<Counters>,
    warden: Arc<Warden>,
    progress: Option<SyncSender<Step>>,
    dref: AnyDRef,
    chosen: Chosen,
    context: Context,
    choices: BTreeMap<DRefId, RecordedChoice>,
    /// Who waits for them.
    errand: Errand,
    due: Due,
    begun: AtomicUsize,
    ended: Mutex<Vec<Result<Made>>>,
    end: Condvar,
}

/// Makes all runs; gives what they published, or the first failure. What other runs published stays.
fn run_all<'a>(state: &RunState<'a>, at: usize, scene: &Scene<'_>, due: Due) -> Result<Vec<Made>> {
    let count = due.len();
    let runs = Arc::new(Runs {
        counters: state.counters.clone(),
        warden: state.warden.clone(),
        progress: state.progress.clone(),
        choices: choices(state.graph, at, |dep| state.ran.taken(dep)),
        due,
        ..Runs::of(state.options, state.graph, scene)
    });
    if count > 1 {
        state.scheduler.share(at, runs.clone(), count);
    }
    // This thread works too, so that runs go on even if all others wait for other processes.
    runs.work(&|| false);
    let mut ended = runs.ended.lock().unwrap_or_else(PoisonError::into_inner);
    while ended.len() < count {
        ended = runs.end.wait(ended).unwrap_or_else(PoisonError::into_inner);
    }
    let mut all = Vec::with_capacity(count);
    let mut failures = Vec::new();
    for run in std::mem::take(&mut *ended) {
        match run {
            Ok(made) => all.push(made),
            Err(error) => failures.push(error),
        }
    }
    // One that was stopped tells more than one that was not begun.
    let not_begun =
        |error: &Error| error.kind() == ErrorKind::Cancelled && error.source().is_none();
    failures.sort_by_key(not_begun);
    match failures.into_iter().next() {
        None => Ok(all),
        Some(error) => Err(error),
    }
}

/// What a stage returned, if it returned.
type Returned = Result<Result<(), BoxError>, BoxError>;

/// Runs a stage once, for its output alone: whoever asks has the draft, and publishes nothing of it.
pub(super) fn rehearse(
    options: &Realize<'_>,
    scene: &Scene<'_>,
    draft: &mut Draft,
    index: usize,
) -> Result<(), BoxError> {
    let runs = Runs::of(options, scene.graph, scene);
    let site = site(scene.dref, draft, Timestamp::now(), Arc::default());
    runs.realize(draft, index, site)?
}

/// Where a run of a stage takes place.
pub(super) fn site(dref: &AnyDRef, draft: &Draft, start: Timestamp, stop: Arc<Stop>) -> Site {
    Site {
        start,
        scratch: draft.scratch().to_owned(),
        threads: dref.node().limits().threads as usize,
        stop,
    }
}

/// Keeps the folder of a run that failed for good, and says what it failed of.
pub(super) fn keep_failed(
    draft: Draft,
    stage: Titled<'_>,
    index: usize,
    attempts: u32,
    cause: BoxError,
) -> Error {
    let cause = match full::is_cause(&draft, &cause) {
        true => full::told(&draft, cause),
        false => cause,
    };
    let log = draft.log().exists();
    let kept = draft.keep_failed(stage.dref().name());
    let kept = kept.as_deref().map(|folder| (folder, log));
    run_failed(stage, index, attempts, cause, kept)
}

impl<'a> Runs<'a> {
    /// None yet.
    fn of(options: &'a Realize<'a>, graph: &'a Graph, scene: &Scene<'_>) -> Self {
        Runs {
            options,
            graph,
            counters: Arc::default(),
            warden: Arc::default(),
            progress: None,
            dref: scene.dref.clone(),
            chosen: scene.chosen.clone(),
            context: scene.context.clone(),
            choices: BTreeMap::new(),
            errand: Errand::here(),
            due: Due::default(),
            begun: AtomicUsize::new(0),
            ended: Mutex::default(),
            end: Condvar::new(),
        }
    }
}

impl Shared for Runs<'_> {
    fn work(&self, pause: &dyn Fn() -> bool) -> bool {
        loop {
            let run = self.begun.fetch_add(1, Ordering::AcqRel);
            if run >= self.due.len() {
                return false;
            }
            // An observer may panic: the run counts as ended all the same, or its waiter would wait for ever.
            let ended = caught(|| self.errand.inside(|| self.one(self.due.at(run))))
                .unwrap_or_else(|panic| {
                    let message = "an observer of the run failed";
                    Err(Error::new(ErrorKind::Stage, message).because(panic))
                });
            self.ended
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(ended);
            // Telling costs a system call, and whoever makes the only run waits for nobody.
            if self.due.len() > 1 {
                self.end.notify_all();
            }
            if pause() {
                return self.begun.load(Ordering::Acquire) < self.due.len();
            }
        }
    }
}

impl Runs<'_> {
    fn titled(&self) -> Titled<'_> {
        self.graph.titled(self.dref.id())
    }

    /// One run, from a fresh folder to its publication, with as many tries as it has.
    fn one(&self, index: usize) -> Result<Made> {
        let dref = self.dref.id();
        let tries = &self.options.tries;
        let retries = tries.retries(&self.dref);
        let mut earlier: Option<Draft> = None;
        for attempt in 1.. {
            let Some(ticket) = self.warden.begin(dref, index, tries.timeout(&self.dref)) else {
                return Err(not_begun(self.titled()));
            };
            if attempt == 1 {
                self.options.tell(&Event::Started { dref, index });
            }
            let (mut draft, record, result) =
                match self.attempt(&ticket, index, attempt, earlier.take()) {
                    Ok(made) => made,
                    Err(error) => {
                        self.warden.end(&ticket);
                        return Err(error);
                    }
                };
            let ending = self.warden.end(&ticket);
            let result = match (ending.why, result) {
                // What was finished all the same is not thrown away.
                (None | Some(Why::Cancelled), Ok(Ok(()))) => Ok(Ok(())),
                (Some(why), Ok(result)) => Err(stopped(why, &ending, result)),
                (Some(why), Err(cause)) => Err(stopped(why, &ending, Err(cause))),
                (None, result) => result,
            };
            let last = attempt > retries || ending.why == Some(Why::Cancelled);
            let takes_failures = self.dref.node().takes().failures();
            let cause = match result {
                Ok(Ok(())) => {
                    return match self.publish(&mut draft, &record, Outcome::Ok) {
                        Ok(made) => {
                            self.options.tell(&Event::Published {
                                rref: &made.published.id,
                                index,
                                new: made.published.new,
                                seconds: record.seconds(),
                            });
                            Ok(made)
                        }
                        // The store refuses: another try of the stage would not help.
                        Err(error) => Err(self.failed(draft, index, attempt, error.into())),
                    };
                }
                Ok(Err(returned))
                    if last
                        && takes_failures
                        && !failed::is_of_the_machine(&returned)
                        && !full::is_cause(&draft, &returned) =>
                {
                    return self.record_failure(draft, &record, &returned, index);
                }
                Ok(Err(cause)) | Err(cause) => cause,
            };
            if last {
                return Err(self.failed(draft, index, attempt, cause));
            }
            let wait = tries.wait(attempt);
            // Meanwhile others go on.
            let cause = match full::is_cause(&draft, &cause) {
                true => full::told(&draft, cause),
                false => cause,
            };
            let error = Error::new(
                ErrorKind::Stage,
                format!("try {attempt} of stage `{}` failed", self.titled()),
            )
            .because(cause);
            // If the log cannot be written, the next try says why.
            let _ = writeln!(
                &BuildLog::at(draft.log()),
                "[{error:?}\n  try {} of {} begins in {}]",
                attempt + 1,
                u64::from(retries) + 1,
                units::time(wait),
            );
            self.options.tell(&Event::Retrying {
                dref,
                index,
                attempt,
                left: retries - attempt + 1,
                wait,
                error: &error,
            });
            if self.warden.sleep(wait) {
                let cause = Error::new(ErrorKind::Cancelled, "it was cancelled between two tries");
                return Err(self.failed(draft, index, attempt, cause.because(error).into()));
            }
            earlier = Some(draft);
        }
        unreachable!("the number of tries has a limit")
    }

    /// One try: its folder, its record, and what came of it. The log of the earlier ones goes on.
    fn attempt(
        &self,
        ticket: &Ticket,
        index: usize,
        attempt: u32,
        earlier: Option<Draft>,
    ) -> Result<(Draft, BuildRecord, Returned)> {
        count(&self.counters.runs);
        let mut draft = self.options.store.draft_of(self.dref.id(), index)?;
        if let Some(earlier) = earlier
            && earlier.log().exists()
        {
            fs::rename(earlier.log(), draft.log())
                .map_err(|error| Error::io("move", earlier.log(), error))?;
        }
        let mut record = BuildRecord::now(BuildKind::Build);
        record.attempts = attempt;
        let site = site(&self.dref, &draft, record.start, ticket.stop.clone());
        self.options.tell(&Event::Attempt {
            dref: self.dref.id(),
            index,
            log: draft.log(),
        });
        let result = self.realize(&mut draft, index, site);
        record.stop = Timestamp::now();
        let node = self.dref.node();
        record.fingerprint = node.code().map(|code| code.fingerprint().to_owned());
        record.omitted = node.omitted().clone();
        record.choices = self.choices.clone();
        (record.index, record.of) = (Some(index), Some(self.due.of));
        Ok((draft, record, result))
    }

    fn publish(&self, draft: &mut Draft, record: &BuildRecord, outcome: Outcome) -> Result<Made> {
        let json = self.dref.config_json();
        let made = draft.make(json, &self.context, outcome, record)?;
        if !made.published.new {
            count(&self.counters.repeated);
        }
        Ok(made)
    }

    fn failed(&self, draft: Draft, index: usize, attempts: u32, cause: BoxError) -> Error {
        let dref = self.dref.id();
        let error = keep_failed(draft, self.titled(), index, attempts, cause);
        self.options.tell(&Event::RunFailed {
            dref,
            index,
            kept: error.path(),
            error: &error,
        });
        error
    }

    /// Publishes what the stage returned as a result: the text of the error, with the log. What the stage had written
    /// is kept as that of other failures, for inspection.
    fn record_failure(
        &self,
        draft: Draft,
        record: &BuildRecord,
        error: &BoxError,
        index: usize,
    ) -> Result<Made> {
        let text = failed::text(error, draft.out());
        let mut failure = self.options.store.draft()?;
        let path = failure.out().join(failed::FAILURE);
        fs::write(&path, &text).map_err(|error| Error::io("write", &path, error))?;
        match fs::rename(draft.log(), failure.log()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("keep the log", draft.log(), error));
            }
            _ => {}
        }
        let made = self.publish(&mut failure, record, Outcome::Failed)?;
        if has_files(draft.out()) {
            // Worth a look, and no more: it is no part of the result.
            let _ = draft.keep_failed(self.dref.id().name());
        }
        self.options.tell(&Event::FailureRecorded {
            rref: &made.published.id,
            index,
            new: made.published.new,
            seconds: record.seconds(),
            text: text.trim_end(),
        });
        Ok(made)
    }

    /// Runs the stage's code, and checks its promises. Inside is what the stage returned; outside is what it did not mean
    /// to say: a panic, a promise that it broke.
    fn realize(&self, draft: &mut Draft, index: usize, site: Site) -> Returned {
        let node = self.dref.node();
        let out = draft.out();
        promises::make_folders(node, out)?;
        let log = BuildLog::at(draft.log());
        let cache = self.options.store.cache_dir();
        let run = Run {
            chosen: &self.chosen,
            out,
            cache: &cache,
            progress: Progress::to(self.progress.clone()),
            log: log.clone(),
            index,
            site,
            args: &self.options.args,
        };
        let run = || around::in_stage(self.dref.id(), index, &log, || node.run(run));
        match caught(run) {
            Ok(Ok(())) => {}
            Ok(returned) => return Ok(returned),
            Err(panic) => {
                log.tell_panic(&panic);
                return Err(panic.into());
            }
        }
        match draft.unkept(self.dref.config_json()) {
            Ok(unkept) if !unkept.is_empty() => Err(promises_not_kept(node, &unkept)),
            // Publishing says what cannot be published.
            _ => Ok(Ok(())),
        }
    }
}

/// Whether there is anything but folders.
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
