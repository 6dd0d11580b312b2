//! Building a stage: its runs, side by side, and their publication.

use std::error::Error as _;
use std::fs;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use jiff::Timestamp;

use super::decide::{Decision, Scene};
use super::event::Event;
use super::failure::{
    matcher_refused, not_begun, panic_text, promises_not_kept, run_failed, stopped, too_few,
};
use super::options::Realize;
use super::report::{Counters, count};
use super::run::RunState;
use super::scheduler::Shared;
use super::warden::{Ticket, Warden};
use crate::lens::{AnyRRef, BuildLog, Chosen, Site, Why};
use crate::plan::{AnyDRef, Run};
use crate::store::{BuildKind, BuildRecord, Context, Draft, Outcome, Published};
use crate::{BoxError, Error, ErrorKind, Result, units};

/// Builds what is missing, and says what the matcher took then and whether anything ran.
pub(super) fn build(
    run: &RunState<'_>,
    scene: &Scene<'_>,
    at: usize,
    forced: bool,
) -> Result<(Arc<[AnyRRef]>, bool)> {
    let dref = scene.dref.id();
    let store = scene.store;
    let on_wait = &mut || run.tell(&Event::Waiting { dref });
    let lock = match run.options.cancel {
        None => store.lock_build(dref, scene.context, on_wait)?,
        Some(_) => {
            let go_on = || !run.warden.is_cancelled();
            let lock = store.lock_build_while(dref, scene.context, on_wait, &go_on)?;
            lock.ok_or_else(|| not_begun(dref))?
        }
    };
    // Another process may just have made it.
    let (more, first, reason) = match scene.decide(forced)? {
        Decision::Take(taken) => {
            count(&run.counters.reused);
            return Ok((taken, false));
        }
        Decision::Never(why) => return Err(matcher_refused(dref, &why)),
        Decision::Build {
            more,
            first,
            reason,
        } => (more, first, reason),
    };
    count(&run.counters.built);
    run.tell(&Event::Building {
        dref,
        runs: more,
        reason: &reason,
    });
    if let Some(code) = scene.dref.node().code() {
        store.save_code(code.fingerprint(), code.text())?;
    }
    let published = run_all(run, scene, at, first, more)?;
    let new = published.iter().filter(|published| published.new).count();
    let chosen = scene.decide(false)?;
    drop(lock);
    match chosen {
        Decision::Take(taken) => Ok((taken, true)),
        Decision::Never(why) => Err(matcher_refused(dref, &why)),
        Decision::Build { more: missing, .. } => {
            let there: Vec<_> = scene
                .store
                .candidates(dref, scene.context)?
                .iter()
                .map(|realization| format!("\n{}", realization.id))
                .collect();
            Err(too_few(dref, more, new, &there.concat(), missing))
        }
    }
}

/// The runs of one build, which idle threads share.
struct Runs<'a> {
    options: &'a Realize<'a>,
    counters: Arc<Counters>,
    warden: Arc<Warden>,
    dref: AnyDRef,
    chosen: Chosen,
    context: Context,
    /// The index of the first run, and how many there are.
    first: usize,
    count: usize,
    begun: AtomicUsize,
    ended: Mutex<Vec<Result<Published>>>,
    end: Condvar,
}

/// Makes all runs; gives what they published, or the first failure. What other runs published stays.
fn run_all<'a>(
    state: &RunState<'a>,
    scene: &Scene<'_>,
    at: usize,
    first: usize,
    count: usize,
) -> Result<Vec<Published>> {
    let runs = Arc::new(Runs {
        options: state.options,
        counters: state.counters.clone(),
        warden: state.warden.clone(),
        dref: scene.dref.clone(),
        chosen: scene.chosen.clone(),
        context: scene.context.clone(),
        first,
        count,
        begun: AtomicUsize::new(0),
        ended: Mutex::default(),
        end: Condvar::new(),
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
    let mut published = Vec::with_capacity(count);
    let mut failures = Vec::new();
    for run in std::mem::take(&mut *ended) {
        match run {
            Ok(made) => published.push(made),
            Err(error) => failures.push(error),
        }
    }
    // One that was stopped tells more than one that was not begun.
    let not_begun =
        |error: &Error| error.kind() == ErrorKind::Cancelled && error.source().is_none();
    failures.sort_by_key(not_begun);
    match failures.into_iter().next() {
        None => Ok(published),
        Some(error) => Err(error),
    }
}

impl Shared for Runs<'_> {
    fn work(&self, pause: &dyn Fn() -> bool) -> bool {
        loop {
            let run = self.begun.fetch_add(1, Ordering::AcqRel);
            if run >= self.count {
                return false;
            }
            // An observer may panic: the run counts as ended all the same, or its waiter would wait for ever.
            let ended = catch_unwind(AssertUnwindSafe(|| self.one(self.first + run)))
                .unwrap_or_else(|panic| {
                    let message = "an observer of the run failed";
                    Err(Error::new(ErrorKind::Stage, message).because(panic_text(&*panic)))
                });
            self.ended
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(ended);
            self.end.notify_all();
            if pause() {
                return self.begun.load(Ordering::Acquire) < self.count;
            }
        }
    }
}

impl Runs<'_> {
    /// One run, from a fresh folder to its publication, with as many tries as it has.
    fn one(&self, index: usize) -> Result<Published> {
        let dref = self.dref.id();
        let tries = &self.options.tries;
        let retries = tries.retries(&self.dref);
        let mut earlier: Option<Draft> = None;
        for attempt in 1.. {
            let Some(ticket) = self.warden.begin(dref, index, tries.timeout(&self.dref)) else {
                return Err(not_begun(dref));
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
                (None | Some(Why::Cancelled), Ok(())) => Ok(()),
                (Some(why), result) => Err(stopped(why, &ending, result)),
                (None, Err(cause)) => Err(cause),
            };
            let cause = match result {
                Ok(()) => match self.publish(&mut draft, &record, index) {
                    Ok(published) => return Ok(published),
                    // The store refuses: another try of the stage would not help.
                    Err(error) => return Err(self.failed(draft, index, attempt, error.into())),
                },
                Err(cause) => cause,
            };
            if attempt > retries || ending.why == Some(Why::Cancelled) {
                return Err(self.failed(draft, index, attempt, cause));
            }
            let wait = tries.wait(attempt);
            let error = Error::new(
                ErrorKind::Stage,
                format!("try {attempt} of stage `{}` failed", dref.name()),
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
    ) -> Result<(Draft, BuildRecord, Result<(), BoxError>)> {
        count(&self.counters.runs);
        let draft = self.options.store.draft()?;
        if let Some(earlier) = earlier
            && earlier.log().exists()
        {
            fs::rename(earlier.log(), draft.log())
                .map_err(|error| Error::io("move", earlier.log(), error))?;
        }
        let mut record = BuildRecord::now(BuildKind::Build);
        record.attempts = attempt;
        let site = Site {
            start: record.start,
            scratch: draft.scratch().to_owned(),
            threads: self.dref.node().limits().threads as usize,
            stop: ticket.stop.clone(),
        };
        let result = self.realize(&draft, index, site);
        record.stop = Timestamp::now();
        Ok((draft, record, result))
    }

    fn publish(&self, draft: &mut Draft, record: &BuildRecord, index: usize) -> Result<Published> {
        let node = self.dref.node();
        let mut record = record.clone();
        record.fingerprint = node.code().map(|code| code.fingerprint().to_owned());
        record.omitted = node.omitted().clone();
        let json = self.dref.config_json();
        let published = draft.publish(json, &self.context, Outcome::Ok, &record)?;
        if !published.new {
            count(&self.counters.repeated);
        }
        let Published { id: rref, new } = &published;
        self.options.tell(&Event::Published {
            rref,
            index,
            new: *new,
            seconds: record.seconds(),
        });
        Ok(published)
    }

    /// Keeps the folder of a run that failed for good.
    fn failed(&self, draft: Draft, index: usize, attempts: u32, cause: BoxError) -> Error {
        let dref = self.dref.id();
        let log = draft.log().exists();
        let kept = draft.keep_failed(dref.name());
        let kept = kept.as_deref().map(|folder| (folder, log));
        run_failed(dref, index, attempts, cause, kept)
    }

    /// Runs the stage's code, and checks its promises.
    fn realize(&self, draft: &Draft, index: usize, site: Site) -> Result<(), BoxError> {
        let node = self.dref.node();
        let out = draft.out();
        for promise in node.promises() {
            if let Some((folders, _)) = promise.path.rsplit_once('/') {
                let folders = out.join(folders);
                fs::create_dir_all(&folders)
                    .map_err(|error| Error::io("create", &folders, error))?;
            }
        }
        let log = BuildLog::at(draft.log());
        let run = Run {
            chosen: &self.chosen,
            out,
            log,
            index,
            site,
        };
        catch_unwind(AssertUnwindSafe(|| node.run(run)))
            .unwrap_or_else(|panic| Err(panic_text(&*panic).into()))?;
        let mut broken = Vec::new();
        for promise in node.promises() {
            let path = out.join(promise.path);
            match fs::symlink_metadata(&path) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => broken.push(*promise),
                Err(error) => return Err(Error::io("look at", &path, error).into()),
            }
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(promises_not_kept(&broken))
        }
    }
}
