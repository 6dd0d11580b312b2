//! Runs a plan: decides every stage, and builds it if necessary.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;

use super::build::build;
use super::carry::carry;
use super::choices::Choices;
use super::counters::count;
use super::elsewhere::{Elsewhere, build_elsewhere};
use super::progress::progress_thread;
use super::scheduler::{Scheduler, StepOutcome, Turn};
use super::state::{ChosenBy, RunState};
use super::stub::run_alone;
use super::substitute::substitute;
use crate::plan::{AnyDRef, Listed, PlanGraph};
use crate::realize::decide::arguments;
use crate::realize::decide::clock_watch::ClockWatch;
use crate::realize::decide::context::{chosen_for, context_of};
use crate::realize::decide::decision::{CandidateSource, Decision, DecisionInput};
use crate::realize::decide::pinned::refused;
use crate::realize::decide::runs::{CurrentCode, stand_for};
use crate::realize::decide::staleness::staleness;
use crate::realize::execute::configs::ConfigChecks;
use crate::realize::failure::errors::{
    cancelled, does_not_stop, matcher_refused, not_begun, run_error, with_store_gone,
};
use crate::realize::failure::panics::caught;
use crate::realize::failure::recorded::is_failure;
use crate::realize::foresee::foresee;
use crate::realize::lookup::hits::{Hit, Hits};
use crate::realize::lookup::prefetch::{Lookups, Prefetch};
use crate::realize::options::{Realize, ReusePolicy};
use crate::realize::processes::{sandbox, worker};
use crate::realize::report::action::Foreseen;
use crate::realize::report::event::Event;
use crate::realize::report::taken::{AlreadyChosen, Taken};
use crate::realize::report::titles::Titles;
use crate::realize::report::totals::Report;
use crate::realize::resources::needs::{shortage, total};
use crate::realize::resources::pool::Amounts;
use crate::realize::resources::units::UnitPool;
use crate::realize::stop::watchdog::Overdue;
use crate::realize::why::Briefs;
use crate::store::Context;
use crate::thread_context::ThreadContext;
use crate::{Error, ErrorKind, Result};

/// Runs a plan, and returns the choice for each stage. `list` lists the stages of the plan, and passes each part on as soon
/// as it is complete, so that snapshots are prefetched meanwhile. `given` are choices that exist already.
pub(in crate::realize) fn run_plan(
    options: &Realize<'_>,
    list: impl FnOnce(&mut Listed<'_>) -> Result<Arc<PlanGraph>>,
    given: &AlreadyChosen,
) -> Result<(Arc<PlanGraph>, Choices, Report)> {
    let prefetch = Prefetch::new(&options.store, options.jobs);
    if let Some(dispatcher) = &options.dispatcher {
        dispatcher.resume();
    }
    thread::scope(|scope| {
        let mut feed = prefetch.feed(scope);
        let graph = list(&mut |part| feed.add(part))?;
        let total = total(options);
        let (lacking, refused) = foresee_failures(options, &graph, &total)?;
        let state = RunState {
            progress: progress_thread(scope, options, &graph),
            lacking,
            refused,
            ..RunState::new(options, &graph, total, feed.end()?, given)
        };
        let done = state.run_all();
        if let Some(trusting) = options.trusting() {
            trusting.end();
        }
        done?;
        let (choices, report) = state.end()?;
        Ok((graph.clone(), choices, report))
    })
}

/// Detects failures before any stage runs. Fails if a run-time argument is missing. Returns the stages that have to run and
/// need more resources than the run has, and the stages that fail whatever their dependencies give.
fn foresee_failures(
    options: &Realize<'_>,
    graph: &PlanGraph,
    total: &Amounts,
) -> Result<(HashSet<usize>, HashMap<usize, String>)> {
    if options.remotes().is_some() {
        // A remote may have what this machine cannot build, which shows only when it is asked.
        return Ok((HashSet::new(), HashMap::new()));
    }
    let sealed = |stage: &AnyDRef| options.sealing(stage.node()).is_some();
    let no_sandbox = match graph.any_recipe(sealed) {
        true => worker::check().and_then(|()| sandbox::check()).err(),
        false => None,
    };
    let some_lack = graph.any_recipe(|stage| shortage(total, graph, stage).is_some());
    let mut lacking = HashSet::new();
    if some_lack || no_sandbox.is_some() || arguments::any_missing(options, graph) {
        // Only if necessary, because predicting costs about as much as a run that builds nothing.
        let foreseen = foresee(options, graph, None)?;
        lacking = lacking_stages(options, graph, total, &foreseen);
        arguments::check(options, graph, &foreseen)?;
        let mut all = graph.drefs().zip(&foreseen);
        if let Some(error) = no_sandbox
            && all.any(|(stage, foreseen)| foreseen.action.may_run() && sealed(stage))
        {
            return Err(error);
        }
    }
    Ok((lacking, refused(options, graph)?))
}

/// Returns the stages that have to run and need more than `total`. A stage with a result in the store needs nothing, nor does one
/// whose results are carried.
fn lacking_stages(
    options: &Realize<'_>,
    graph: &PlanGraph,
    total: &Amounts,
    foreseen: &[Foreseen],
) -> HashSet<usize> {
    let stages = graph.drefs().enumerate().zip(foreseen);
    let lacking = stages.filter(|((_, stage), foreseen)| {
        let runs_here = options.elsewhere(stage).is_none();
        runs_here && foreseen.action.may_run() && shortage(total, graph, stage).is_some()
    });
    lacking.map(|((at, _), _)| at).collect()
}

/// The result of one turn of a stage.
enum StageOutcome {
    Chosen(Taken),
    Hit(Hit),
    /// A dependency failed.
    Blocked,
    /// The required resources are not free.
    Waits,
    /// The stage has to be built, after the other threads are started.
    Later,
}

/// Returns how many threads decide and wait. One that waits for a build elsewhere costs little.
fn threads(options: &Realize<'_>) -> usize {
    match options.dispatcher {
        Some(_) => options.jobs.max(WAITING),
        None => options.jobs,
    }
}

/// The number of builds that may be elsewhere at once.
const WAITING: usize = 1000;

/// Counts the direct and indirect dependents of failed stages.
fn blocked(graph: &PlanGraph, failed: impl Iterator<Item = usize>) -> usize {
    let mut waiting: Vec<usize> = failed.collect();
    let failed: HashSet<usize> = waiting.iter().copied().collect();
    let mut blocked = HashSet::new();
    while let Some(at) = waiting.pop() {
        for &dependent in graph.dependents(at) {
            if !failed.contains(&dependent) && blocked.insert(dependent) {
                waiting.push(dependent);
            }
        }
    }
    blocked.len()
}

impl<'a> RunState<'a> {
    /// Creates the state of a run whose only choices are those in `given`.
    fn new(
        options: &'a Realize<'a>,
        graph: &'a Arc<PlanGraph>,
        total: Amounts,
        lookups: Lookups<'a>,
        given: &AlreadyChosen,
    ) -> Self {
        let given_here = given.keys().filter(|dref| graph.place(dref).is_some());
        let hits = Hits::new(&options.store, graph, lookups.snapshots());
        RunState {
            options,
            graph,
            choices: Choices::new(hits, graph, given),
            scheduler: Scheduler::new(graph, threads(options), total.clone()),
            counters: Arc::default(),
            progress: None,
            refused: HashMap::new(),
            lookups,
            watchdog: Arc::default(),
            left_told: Once::new(),
            briefs: Mutex::new(Briefs::new(&options.store, graph, None)),
            total,
            units: UnitPool::new(&options.resources.units),
            configs: ConfigChecks::default(),
            lacking: HashSet::new(),
            clock_watch: ClockWatch::begin(),
            failures: Mutex::default(),
            given: given_here.count(),
        }
    }

    /// Processes all stages.
    fn run_all(&self) -> Result<()> {
        self.notify(&Event::Begun {
            stages: self.graph.len(),
            chosen: self.given,
            titles: &Titles::of_graph(self.graph),
        });
        if !self.options.keep_going {
            // A predicted failure stops the run before it begins.
            for at in self.refused.keys().chain(&self.lacking) {
                self.step(Turn::first(*at));
            }
        }
        self.run_watched()?;
        let go_on = || !self.watchdog.is_cancelled();
        self.options.store.refresh_index(&go_on);
        self.options.store.save_index();
        Ok(())
    }

    /// Returns the choices and the totals, or one error for all failures.
    fn end(self) -> Result<(Choices, Report)> {
        let mut failures = self
            .failures
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let stages = self.graph.len();
        let chosen = (0..stages)
            .filter(|at| self.choices.has_chosen(*at))
            .count();
        if failures.is_empty() && chosen == stages {
            return Ok((self.choices, self.counters.report(stages - self.given)));
        }
        // In the order of the plan, so that the error does not depend on which thread failed first.
        failures.sort_by_key(|(at, _)| *at);
        if self.watchdog.is_cancelled() {
            let stopped = failures.into_iter().map(|(_, error)| error).collect();
            return Err(cancelled(stopped, chosen, stages));
        }
        let blocked = blocked(self.graph, failures.iter().map(|(at, _)| *at));
        let left = (stages - chosen).saturating_sub(failures.len() + blocked);
        let failures = failures.into_iter().map(|(_, error)| error).collect();
        Err(run_error(failures, blocked, left))
    }

    /// Processes all stages, with a watchdog if there are time limits or a cancellation token.
    fn run_watched(&self) -> Result<()> {
        let retry = &self.options.retry;
        let limited = retry.any_timeout(self.graph);
        if let Some(cancel) = &self.options.cancel {
            cancel.register(&self.watchdog);
        } else if !limited {
            self.scheduler.run(|turn| self.step(turn));
            return Ok(());
        }
        if self.watchdog.is_cancelled() {
            self.scheduler.stop();
        }
        let thread_context = ThreadContext::here();
        let watch = || {
            let overdue = |late: &Overdue| {
                let error = does_not_stop(self.graph.titled(&late.dref), late, retry.grace);
                let event = Event::Overdue {
                    dref: &late.dref,
                    index: late.index,
                    error: &error,
                };
                // If an observer panics here, the panic is ignored; the next event from the run itself makes the run fail.
                let _ = catch_unwind(AssertUnwindSafe(|| self.notify(&event)));
            };
            let cancelled = |running| {
                self.scheduler.stop();
                if let Some(dispatcher) = &self.options.dispatcher {
                    dispatcher.cancel();
                }
                let event = Event::Stopping { running };
                let _ = catch_unwind(AssertUnwindSafe(|| self.notify(&event)));
            };
            thread_context.inside(|| self.watchdog.keep(retry.grace, cancelled, overdue));
        };
        thread::scope(|scope| {
            let watchdog = thread::Builder::new().name("watchdog".to_owned());
            watchdog.spawn_scoped(scope, watch).map_err(|error| {
                let message = "cannot start the thread that watches time limits";
                Error::new(ErrorKind::Io, message).because(error)
            })?;
            self.scheduler.run(|turn| self.step(turn));
            self.watchdog.close();
            Ok(())
        })
    }

    /// Begins no further stage.
    fn stop(&self) {
        self.scheduler.stop();
        if let Some(dispatcher) = &self.options.dispatcher {
            dispatcher.stop();
        }
    }

    /// Decides one stage, and builds it if necessary. Records its failure instead of returning it.
    fn step(&self, mut turn: Turn) -> StepOutcome {
        let at = turn.at;
        if self.choices.has_chosen(at) {
            // The choice existed before the run.
            return StepOutcome::Done;
        }
        let done = caught(|| self.decide(&mut turn));
        if !matches!(done, Ok(Ok(_))) && !self.options.keep_going {
            // Before the release, which would admit a stage that waits for these resources.
            self.stop();
        }
        if turn.granted {
            self.scheduler.release(at);
        }
        let error = match done {
            Ok(Ok(StageOutcome::Hit(hit))) => {
                self.choices.hits.note(at, hit);
                return StepOutcome::Done;
            }
            Ok(Ok(StageOutcome::Chosen(chosen))) => {
                self.choices.choose(at, chosen);
                return StepOutcome::Done;
            }
            Ok(Ok(StageOutcome::Waits)) => return StepOutcome::Waits,
            Ok(Ok(StageOutcome::Later)) => return StepOutcome::Later,
            Ok(Ok(StageOutcome::Blocked)) => return StepOutcome::Done,
            Ok(Err(error)) => error,
            // Panics of stages and matchers are caught closer to their calls, so this one comes from an observer.
            Err(panic) => {
                Error::new(ErrorKind::Stage, "an observer of the run failed").because(panic)
            }
        };
        let error = with_store_gone(error, self.options.store.root());
        let dref = self.graph.dref(at).id();
        // If an observer panics here, it was notified of the failure already.
        let event = match error.kind() {
            ErrorKind::Cancelled => Event::Cancelled {
                dref,
                error: &error,
            },
            _ => Event::Failed {
                dref,
                error: &error,
            },
        };
        let _ = catch_unwind(AssertUnwindSafe(|| self.notify(&event)));
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((at, error));
        StepOutcome::Done
    }

    fn decide(&self, turn: &mut Turn) -> Result<StageOutcome> {
        let at = turn.at;
        let stage = self.graph.dref(at);
        if self.lacking.contains(&at)
            && let Some(lack) = shortage(&self.total, self.graph, stage)
        {
            return Err(lack);
        }
        if let Some(why) = self.refused.get(&at) {
            return Err(matcher_refused(self.graph.titled(stage.id()), why));
        }
        if self
            .graph
            .deps(at)
            .iter()
            .any(|dep| !self.choices.has_chosen(*dep))
        {
            return Ok(StageOutcome::Blocked);
        }
        let found = CandidateSource::of(&self.lookups, at)?;
        let policy = self.options.policy(stage.id());
        if let Some(hit) = self.hit(at, policy) {
            count(&self.counters.reused);
            self.notify_ahead();
            let id = || [self.choices.hits.id_of(at, &hit)].into_iter();
            self.tell_chosen(stage.id(), ChosenBy::Reusing, id);
            return Ok(StageOutcome::Hit(hit));
        }
        let chosen = chosen_for(self.graph, at, |dep| {
            Some(self.choices.taken(dep)?.rrefs.clone())
        });
        let context = context_of(&chosen);
        let input = DecisionInput {
            clock_watch: Some(&self.clock_watch),
            ..DecisionInput::of(self.options, self.graph, stage, &chosen, &context, found)
        };
        let decision = input.decide(policy);
        self.notify_ahead();
        let decision = decision?;
        // Asking takes time, as a build does.
        if let Some(remotes) = self.options.remotes()
            && !turn.granted
            && match decision {
                Decision::Take { .. } => remotes.always,
                Decision::Never(_) => true,
                // After what is carried.
                Decision::Build { .. } => false,
            }
        {
            if self.scheduler.is_alone() {
                return Ok(StageOutcome::Later);
            }
            if let Some((taken, by)) = substitute(self, remotes, at, &input, policy)? {
                return Ok(self.chosen(stage, taken, by));
            }
        }
        let (taken, by) = match decision {
            Decision::Take { taken, over } => {
                self.remove_marks(stage, &context, &over)?;
                count(&self.counters.reused);
                (taken, ChosenBy::Reusing)
            }
            Decision::Never(why) => {
                return Err(matcher_refused(self.graph.titled(stage.id()), &why));
            }
            Decision::Build { .. } if self.scheduler.is_alone() => return Ok(StageOutcome::Later),
            Decision::Build { reason, .. } => {
                // Before it waits for resources, which carrying does not need.
                if !turn.granted
                    && let Some(taken) = carry(self, &input, policy, &reason)?
                {
                    return Ok(self.chosen(stage, taken, ChosenBy::Carrying));
                }
                if !turn.granted
                    && let Some(remotes) = self.options.remotes()
                    && let Some((taken, by)) = substitute(self, remotes, at, &input, policy)?
                {
                    return Ok(self.chosen(stage, taken, by));
                }
                if let Some(dispatcher) = self.options.elsewhere(stage) {
                    // Resources are those of the machine where it runs.
                    return match build_elsewhere(self, at, &input, policy, dispatcher)? {
                        Elsewhere::Taken(taken, built) => {
                            let by = match built {
                                true => ChosenBy::Building,
                                false => ChosenBy::Reusing,
                            };
                            Ok(self.chosen(stage, taken, by))
                        }
                        Elsewhere::NotBegun if self.watchdog.is_cancelled() => {
                            Err(not_begun(self.graph.titled(stage.id())))
                        }
                        Elsewhere::NotBegun => Ok(StageOutcome::Blocked),
                    };
                }
                if !turn.granted {
                    if let Some(lack) = shortage(&self.total, self.graph, stage) {
                        return Err(lack);
                    }
                    if !self.scheduler.take(at) {
                        self.notify(&Event::Queued { dref: stage.id() });
                        return Ok(StageOutcome::Waits);
                    }
                    turn.granted = true;
                }
                let (taken, built) = match self.options.publishes {
                    true => build(self, at, &input, policy)?,
                    false => (run_alone(self, at, &input)?, true),
                };
                match built {
                    true => (taken, ChosenBy::Building),
                    false => (taken, ChosenBy::Reusing),
                }
            }
        };
        Ok(self.chosen(stage, taken, by))
    }

    /// Counts and tells the choice of a stage.
    fn chosen(&self, stage: &AnyDRef, taken: Taken, by: ChosenBy) -> StageOutcome {
        if is_failure(&taken.rrefs) {
            count(&self.counters.failures);
        }
        self.tell_chosen(stage.id(), by, || {
            taken.rrefs.iter().map(|rref| rref.id().clone())
        });
        StageOutcome::Chosen(taken)
    }

    /// Returns the hit for a stage whose dependencies are chosen, if its matcher always takes a single candidate.
    fn hit(&self, at: usize, policy: ReusePolicy) -> Option<Hit> {
        let options = self.options;
        let node = self.graph.dref(at).node();
        let asks =
            policy == ReusePolicy::Forced || !options.by_hand.is_empty() || options.only_sealed;
        let asks = asks || options.remotes().is_some_and(|remotes| remotes.always);
        if asks || !node.takes_the_only() {
            return None;
        }
        let code = node.code()?;
        let (omitted, nouts) = (node.omitted(), node.nouts());
        let ahead = Cell::new(None);
        let hit = self.choices.hits.find(at, |sole| {
            let heads = sole.heads().inspect(|build| {
                ahead.set(ahead.get().or_else(|| self.clock_watch.ahead(build)));
            });
            let current_code = CurrentCode { code, omitted };
            staleness(heads, code, omitted, options.trust_unknown).is_none()
                && options.trusting().is_none_or(|trusting| {
                    trusting.is_remembered(sole.hash(), sole.identified(), current_code)
                })
                && (nouts == 1 || stand_for(sole.heads(), current_code, nouts))
        })?;
        if let Some(ended) = ahead.get() {
            self.clock_watch
                .found(self.choices.hits.id_of(at, &hit), ended);
        }
        Some(hit)
    }

    /// Removes the marks of complete builds. If another process holds the build lock, that process removes them.
    fn remove_marks(&self, stage: &AnyDRef, context: &Context, marks: &[String]) -> Result<()> {
        if marks.is_empty() || !self.lookups.may_write() {
            return Ok(());
        }
        let (store, dref) = (&self.options.store, stage.id());
        let lock = store.lock_build_while(dref, context, &mut || {}, &|| false)?;
        match lock {
            Some(_lock) => store.mark_ended(dref, marks),
            None => Ok(()),
        }
    }
}
