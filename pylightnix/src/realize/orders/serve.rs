//! A task: a process that makes the plan again, makes the builds of its order, and publishes them by itself.
//!
//! It calls no matcher and decides nothing: what was chosen is in the order. Each stage runs in a process of its own, so that one that
//! dies is a failure of that stage alone.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::executor::ORDERS;
use super::order::{ANSWERS, OrderHere, OrderedBuild, TaskOrder, is_asked_to_stop};
use super::said::{Said, SayTo};
use super::watch::BuildWatch;
use crate::lens::Chosen;
use crate::plan::{AnyDRef, PlanGraph};
use crate::realize::decide::arguments;
use crate::realize::decide::context::context_of;
use crate::realize::decide::decision::{CandidateSource, DecisionInput};
use crate::realize::execute::Work as _;
use crate::realize::execute::configs::ConfigChecks;
use crate::realize::failure::errors::task_cancelled;
use crate::realize::failure::panics::caught;
use crate::realize::lookup::recalled::Recalled;
use crate::realize::options::Realize;
use crate::realize::processes::Processes;
use crate::realize::processes::answered::Answered;
use crate::realize::processes::wire_error::WireError;
use crate::realize::processes::worker::promise;
use crate::realize::report::event::Event;
use crate::realize::resources::units::UnitPool;
use crate::realize::run::build::mark;
use crate::realize::run::runs::BuildRuns;
use crate::realize::stage_params::StageParams;
use crate::realize::stop::watchdog::Watchdog;
use crate::store::{Durability, Store};
use crate::{Error, ErrorKind, Result};

/// How long a task waits for what is not visible yet on its machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The exit status of a task that has to be started again later: something is not visible yet.
pub(crate) const AGAIN: i32 = 75;

/// A task that was told to make a plan.
pub(crate) struct OrderTask {
    path: PathBuf,
    order: TaskOrder,
    answers: String,
    say: Arc<SayTo>,
}

impl fmt::Debug for OrderTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderTask")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl OrderTask {
    /// Returns the task that this process is; `None` if it is none. The inner error is that its order cannot be read.
    pub(crate) fn here() -> Option<Result<Self>> {
        promise();
        let path = PathBuf::from(env::var_os(ORDERS)?);
        Some(Self::read(path))
    }

    fn read(path: PathBuf) -> Result<Self> {
        let order = seen(|| TaskOrder::read(&path))?;
        let answers = path.with_file_name(ANSWERS);
        let read = || fs::read_to_string(&answers).map_err(|e| Error::io("read", &answers, e));
        let answers = seen(read)?;
        let say = SayTo::open(&path).map_err(|error| Error::io("open", &path, error))?;
        Ok(OrderTask {
            path,
            order,
            answers,
            say: Arc::new(say),
        })
    }

    /// Opens the store of the order.
    pub(crate) fn open_store(&self) -> Result<Store> {
        let common = &self.order.common;
        let store = Store::open_existing(&common.store)?;
        Ok(store.with_durability(match common.synced {
            true => Durability::Full,
            false => Durability::None,
        }))
    }

    /// Returns the answers of the run, as JSON.
    pub(crate) fn answers(&self) -> &str {
        &self.answers
    }

    /// Tells the run that this task cannot do its work.
    pub(crate) fn refuse(&self, error: &Error) {
        self.say.say(0, Said::Refused(WireError::new(error)));
    }

    /// Makes the builds of the order, with stages of this plan, and returns the exit status.
    pub(in crate::realize) fn serve(&self, options: Realize<'_>, stages: &[AnyDRef]) -> i32 {
        let served = caught(|| self.build_all(options, stages));
        let served = served.unwrap_or_else(|panic| {
            let message = "the plan cannot be made again";
            Err(Error::new(ErrorKind::Plan, message).because(panic))
        });
        match served {
            Ok(status) => status,
            Err(error) => {
                self.refuse(&error);
                1
            }
        }
    }

    fn build_all(&self, options: Realize<'_>, stages: &[AnyDRef]) -> Result<i32> {
        let graph = PlanGraph::counting(stages, &options.counts, &mut |_| ())?;
        let places: Result<Vec<_>> = (self.order.builds.iter())
            .map(|build| build.terms.place(&graph))
            .collect();
        let places = places?;
        let here = OrderHere::new(&self.path);
        let current = here.build.clone();
        let options = self.configured(options, here)?;
        let configs = ConfigChecks::default();
        let watch = BuildWatch::new(self.path.clone(), options.retry.grace);
        let work = Work {
            options: &options,
            graph: &graph,
            configs: &configs,
        };
        thread::scope(|scope| {
            let (going, end) = channel();
            // Without it, a build that is cancelled goes on, and nobody waits for it.
            let _ = thread::Builder::new().spawn_scoped(scope, || {
                let end = end;
                watch.keep(&end);
            });
            let status = self.build_each(&work, &watch, &places, &current);
            drop(going);
            Ok(status)
        })
    }

    /// Makes the builds one after the other, and returns the exit status.
    fn build_each(
        &self,
        work: &Work<'_, '_>,
        watch: &BuildWatch,
        places: &[usize],
        current: &AtomicUsize,
    ) -> i32 {
        for (number, (build, at)) in self.order.builds.iter().zip(places).enumerate() {
            if is_asked_to_stop(&self.path) {
                break;
            }
            if watch.is_cancelled(number) {
                let error = task_cancelled(work.graph.titled(&build.terms.dref));
                self.say.say(number, Said::Failed(WireError::new(&error)));
                continue;
            }
            current.store(number, Ordering::Relaxed);
            let made = watch.during(number, |watchdog| work.build(build, *at, watchdog));
            match made {
                Ok(()) => self.say.say(number, Said::Made),
                Err(Failure::NotVisible) => return AGAIN,
                Err(Failure::Plan(error)) => {
                    self.refuse(&error);
                    return 1;
                }
                Err(Failure::Stage(error)) => {
                    self.say.say(number, Said::Failed(WireError::new(&error)));
                }
            }
        }
        0
    }

    /// Sets the options that the order tells, and has events told to the run.
    fn configured<'a>(&self, options: Realize<'a>, here: OrderHere) -> Result<Realize<'a>> {
        let processes = Processes::new();
        let answered = Answered::of_json(&self.answers).map_err(|error| {
            Error::new(ErrorKind::Plan, "the answers of the run cannot be read").because(error)
        })?;
        options.sandboxes.answered_so_far(answered.clone());
        processes.answered_so_far(answered);
        let (say, current) = (self.say.clone(), here.build.clone());
        let told = move |event: &Event<'_>| {
            if let Some(said) = said_of(event) {
                say.say(current.load(Ordering::Relaxed), said);
            }
        };
        let common = &self.order.common;
        let mut options = options
            .on(processes)
            .retry_wait(common.retry_wait)
            .grace(common.grace)
            .observer(told);
        options.origin = Some(common.origin.clone());
        options.order = Some(here);
        options.all_sealed = common.all_sealed;
        options.only_sealed = common.only_sealed;
        if let Some(trust) = &common.trust {
            options = options.trust(trust.clone());
        }
        // The executor was told what the stages need.
        options.limits_memory = false;
        options.retry.timeout = Some(Duration::MAX);
        options.retry.retries_of.clear();
        options.retry.timeout_of.clear();
        let mut params = Vec::new();
        for build in &self.order.builds {
            let dref = &build.terms.dref;
            options.retry.retries_of.insert(dref.clone(), build.retries);
            if let Some(limit) = build.timeout {
                options.retry.timeout_of.insert(dref.clone(), limit);
            }
            params.push((dref.clone(), build.params.clone()));
        }
        options.record_params(StageParams::of_each(params));
        Ok(options)
    }
}

/// What all builds of a task share.
struct Work<'w, 'a> {
    options: &'w Realize<'a>,
    graph: &'w PlanGraph,
    configs: &'w ConfigChecks,
}

/// Why a build was not made.
enum Failure {
    /// A dependency is not visible on this machine.
    NotVisible,
    /// No build of the run can be made here.
    Plan(Error),
    Stage(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Stage(error)
    }
}

impl Work<'_, '_> {
    /// Makes the runs that are not there, under the build lock.
    fn build(
        &self,
        build: &OrderedBuild,
        at: usize,
        watchdog: &Arc<Watchdog>,
    ) -> Result<(), Failure> {
        let (options, graph) = (self.options, self.graph);
        let store = &options.store;
        let stage = graph.dref(at);
        let chosen = self.chosen(build)?;
        let context = context_of(&chosen);
        let used = graph.deps(at).iter().map(|dep| graph.dref(*dep).id());
        store.use_derivations(used.chain([stage.id()]))?;
        let lock = store.lock_build(stage.id(), &context, &mut || {})?;
        // Another process may have built it meanwhile.
        let snapshot = store.fresh_snapshot(stage.config_json())?;
        store.ensure_durable(&[(stage.id(), &snapshot)])?;
        let source = CandidateSource::Snapshot(&snapshot);
        let input = DecisionInput::of(options, graph, stage, &chosen, &context, source);
        let missing = input.missing_of(&build.due)?;
        if missing.is_empty() {
            store.mark_ended(stage.id(), &build.due.ends)?;
            return Ok(());
        }
        arguments::check_one(options, stage).map_err(Failure::Plan)?;
        self.configs.check(graph, at)?;
        if let Some(code) = stage.node().code() {
            code.save(store)?;
        }
        let mut marks = build.due.ends.clone();
        if build.due.len() > 1 {
            marks.push(mark(&input, &build.due)?);
        }
        let runs = BuildRuns::new(options, graph, at, &input, missing, build.due.of);
        let units = UnitPool::new(&options.resources.units);
        let choices = build.choices.clone();
        let runs = runs.of_run(&Arc::default(), watchdog, &units, &None, choices);
        runs.make(&|| false);
        for run in runs.take_ended() {
            run.map_err(|error| match error.kind() {
                ErrorKind::Plan => Failure::Plan(error),
                _ => Failure::Stage(error),
            })?;
        }
        store.mark_ended(stage.id(), &marks)?;
        drop(lock);
        Ok(())
    }

    /// Reads what was chosen for the dependencies, which may become visible a moment later on this machine.
    fn chosen(&self, build: &OrderedBuild) -> Result<Chosen, Failure> {
        let mut recalled = Recalled::new(&self.options.store, self.graph);
        let read = seen(|| build.terms.chosen(&mut recalled));
        read.map_err(|error| match error.kind() {
            ErrorKind::Missing => Failure::NotVisible,
            _ => Failure::Stage(error),
        })
    }
}

/// Reads something that may become visible a moment later on this machine.
fn seen<T>(mut read: impl FnMut() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match read() {
            Err(error) if is_missing(&error) && begun.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(200));
            }
            done => return done,
        }
    }
}

fn is_missing(error: &Error) -> bool {
    let is_not_found = |cause: &(dyn std::error::Error + 'static)| {
        let io: Option<&std::io::Error> = cause.downcast_ref();
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    };
    error.kind() == ErrorKind::Missing || error.causes().any(is_not_found)
}

/// Returns what the run is told of an event.
fn said_of(event: &Event<'_>) -> Option<Said> {
    Some(match event {
        Event::Started { index, .. } => Said::Started { index: *index },
        Event::Attempt { index, log, .. } => Said::Attempt {
            index: *index,
            log: Path::to_owned(log),
        },
        Event::Retrying {
            index,
            attempt,
            left,
            wait,
            error,
            ..
        } => Said::Retrying {
            index: *index,
            attempt: *attempt,
            left: *left,
            wait: *wait,
            error: WireError::new(*error),
        },
        Event::Published {
            rref,
            index,
            new,
            seconds,
        } => Said::Published {
            rref: (*rref).clone(),
            index: *index,
            new: *new,
            seconds: *seconds,
        },
        Event::FailureRecorded {
            rref,
            index,
            new,
            seconds,
            text,
        } => Said::FailureRecorded {
            rref: (*rref).clone(),
            index: *index,
            new: *new,
            seconds: *seconds,
            text: (*text).to_owned(),
        },
        Event::RunFailed { index, error, .. } => Said::RunFailed {
            index: *index,
            error: WireError::new(*error),
        },
        _ => return None,
    })
}
