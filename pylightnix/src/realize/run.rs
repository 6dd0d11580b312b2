//! A run: every stage of a plan, decided and, where it has to be, built.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;

use super::ahead::{Ahead, Feed};
use super::arguments;
use super::build::build;
use super::configs::Configs;
use super::context::{choices, chosen_for, context_of};
use super::current::staleness;
use super::decide::{Decision, Found, Mode, Reason, Scene, Taken};
use super::double::run_alone;
use super::dry::{Action, actions};
use super::event::Event;
use super::failed::is_failure;
use super::failure::{cancelled, does_not_stop, matcher_refused, run_error, with_store_gone};
use super::hits::{Hit, Hits};
use super::ledger::Amounts;
use super::lookout::Lookout;
use super::needed::refused;
use super::options::{Realize, collect};
use super::panics::caught;
use super::progress::telling;
use super::ran::{Given, Ran};
use super::report::{Counters, Report, count};
use super::resources::{lack, total};
use super::runs::{Today, stand_for};
use super::scheduler::{Progress, Scheduler, Turn};
use super::stock::Stock;
use super::titles::Titles;
use super::warden::{Overdue, Warden};
use super::why::Briefs;
use crate::around::Around;
use crate::config::{DRefId, RRefId};
use crate::lens::Step;
use crate::plan::{AnyDRef, Graph, Target};
use crate::store::Context;
use crate::{Error, ErrorKind, Result};

/// What the stages of one run share.
pub(super) struct RunState<'a> {
    pub(super) options: &'a Realize<'a>,
    pub(super) graph: &'a Graph,
    pub(super) scheduler: Scheduler<'a>,
    pub(super) counters: Arc<Counters>,
    /// What stages say of their progress.
    pub(super) progress: Option<SyncSender<Step>>,
    /// Stages that fail whatever the others give, with the reason.
    refused: HashMap<usize, String>,
    /// What is there for each stage.
    stock: Stock<'a>,
    pub(super) warden: Arc<Warden>,
    /// Whether observers know what was left when the first stage had to run.
    left_told: Once,
    /// What is told of why stages are built.
    briefs: Mutex<Briefs<'a>>,
    /// What there is for runs.
    total: Amounts,
    pub(super) configs: Configs,
    /// Stages that have to run, and need more than there is.
    lacking: HashSet<usize>,
    pub(super) ran: Ran,
    lookout: Lookout,
    /// Each with the place of its stage.
    failures: Mutex<Vec<(usize, Error)>>,
}

/// Runs a plan, of which `given` is done; gives for each stage what was chosen.
pub(super) fn run(
    options: &Realize<'_>,
    graph: &Arc<Graph>,
    given: &Given,
) -> Result<(Ran, Report)> {
    let ahead = Ahead::new(options);
    ahead.beside(|feed| {
        feed.add_all(graph);
        run_fed(options, graph, given, feed)
    })
}

/// Runs the plan of a target, and looks at what is there for its stages while it is still gone through.
pub(super) fn run_target<T: Target + ?Sized>(
    options: &Realize<'_>,
    target: &T,
) -> Result<(T::Output, Report)> {
    let ahead = Ahead::new(options);
    ahead.beside(|feed| {
        let graph = Graph::telling(target, &mut |part| feed.add(part))?;
        let graph = Arc::new(options.checked(graph)?);
        let (ran, report) = run_fed(options, &graph, &Given::new(), feed)?;
        let chosen = |at| ran.taken(at).map(|taken| &taken.rrefs);
        Ok((collect(target, &graph, chosen), report))
    })
}

fn run_fed(
    options: &Realize<'_>,
    graph: &Arc<Graph>,
    given: &Given,
    feed: &mut Feed<'_, '_, '_>,
) -> Result<(Ran, Report)> {
    telling(options, |progress| {
        run_telling(options, graph, given, feed, progress)
    })
}

fn run_telling(
    options: &Realize<'_>,
    graph: &Arc<Graph>,
    given: &Given,
    feed: &mut Feed<'_, '_, '_>,
    progress: Option<SyncSender<Step>>,
) -> Result<(Ran, Report)> {
    let total = total(options);
    let lacking = lacking(options, graph, &total)?;
    arguments::check(options, graph)?;
    let refused = refused(options, graph)?;
    let stock = feed.end()?;
    let state = RunState {
        options,
        graph,
        ran: Ran::new(
            Hits::new(&options.store, graph, stock.looks()),
            graph,
            given,
        ),
        scheduler: Scheduler::new(graph, options.jobs, total.clone()),
        counters: Arc::default(),
        progress,
        refused,
        stock,
        warden: Arc::default(),
        left_told: Once::new(),
        briefs: Mutex::new(Briefs::new(&options.store, graph, None)),
        total,
        configs: Configs::default(),
        lacking,
        lookout: Lookout::begin(),
        failures: Mutex::default(),
    };
    state.tell(&Event::Begun {
        stages: graph.len(),
        titles: &Titles::of(graph),
    });
    if !options.keep_going {
        // This stops the run before it begins.
        let fails = state.refused.keys().chain(&state.lacking);
        for at in fails {
            state.step(Turn::first(*at));
        }
    }
    state.run_watched()?;
    options.store.remember();
    let mut failures = state
        .failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let stages = graph.len();
    let ran = state.ran;
    let chosen = (0..stages).filter(|at| ran.has_chosen(*at)).count();
    if failures.is_empty() && chosen == stages {
        return Ok((ran, state.counters.report(stages)));
    }
    // The same error whichever thread was first.
    failures.sort_by_key(|(at, _)| *at);
    if state.warden.is_cancelled() {
        let stopped = failures.into_iter().map(|(_, error)| error).collect();
        return Err(cancelled(stopped, chosen, stages));
    }
    let blocked = blocked(graph, failures.iter().map(|(at, _)| *at));
    let left = (stages - chosen).saturating_sub(failures.len() + blocked);
    let failures = failures.into_iter().map(|(_, error)| error).collect();
    Err(run_error(failures, blocked, left))
}

/// The stages that need more than there is, of those that have to run: what is there already needs nothing.
fn lacking(options: &Realize<'_>, graph: &Graph, total: &Amounts) -> Result<HashSet<usize>> {
    if !graph.any_way(|stage| lack(total, graph, stage).is_some()) {
        return Ok(HashSet::new());
    }
    let stages = graph.drefs().enumerate();
    let mut lacking: HashSet<usize> = stages
        .filter(|(_, stage)| lack(total, graph, stage).is_some())
        .map(|(at, _)| at)
        .collect();
    if !lacking.is_empty() {
        let actions = actions(options, graph, None)?;
        lacking.retain(|at| !matches!(actions[*at].action, Action::Reuse(_)));
    }
    Ok(lacking)
}

/// What came of looking at a stage.
enum Decided {
    Chosen(Taken),
    Hit(Hit),
    /// A dependency failed.
    Blocked,
    /// What it needs is not free.
    Waits,
    /// It has to be built, beside others.
    Later,
}

/// How many stages need one that failed.
fn blocked(graph: &Graph, failed: impl Iterator<Item = usize>) -> usize {
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

impl RunState<'_> {
    pub(super) fn tell(&self, event: &Event<'_>) {
        self.options.tell(event);
    }

    /// Why a stage is built from these, in a few words.
    pub(super) fn brief(&self, at: usize, reason: &Reason) -> String {
        let choices = choices(self.graph, at, |dep| self.ran.taken(dep));
        // What an observer that panicked left there is only kept answers.
        let mut briefs = self.briefs.lock().unwrap_or_else(PoisonError::into_inner);
        briefs.of_run(at, choices, reason)
    }

    /// Tells observers, once, of a clock that was wrong.
    fn tell_ahead(&self) {
        self.lookout.tell(|rref, ended| {
            self.tell(&Event::AheadOfClock { rref, ended });
        });
    }

    /// Tells observers, once, what is not decided yet.
    pub(super) fn tell_left(&self) {
        if self.options.observers.is_empty() {
            return;
        }
        // An observer may panic here, and others are told all the same.
        self.left_told.call_once_force(|_| {
            let stages = self.graph.drefs().enumerate();
            let left = stages.filter(|(at, _)| !self.ran.has_chosen(*at));
            let drefs: Vec<_> = left.map(|(_, stage)| stage.id()).collect();
            self.tell(&Event::Left { drefs: &drefs });
        });
    }

    /// Goes through all stages, with somebody who looks after them if they may have to stop.
    fn run_watched(&self) -> Result<()> {
        let tries = &self.options.tries;
        let limited = tries.any_timeout(self.graph);
        if let Some(cancel) = &self.options.cancel {
            cancel.reach(&self.warden);
        } else if !limited {
            self.scheduler.run(|turn| self.step(turn));
            return Ok(());
        }
        if self.warden.is_cancelled() {
            self.scheduler.stop();
        }
        let around = Around::here();
        let watch = || {
            let overdue = |late: &Overdue| {
                let error = does_not_stop(self.graph.titled(&late.dref), late, tries.grace);
                let event = Event::Overdue {
                    dref: &late.dref,
                    index: late.index,
                    error: &error,
                };
                // An observer that panics here is told of other things, and panics there.
                let _ = catch_unwind(AssertUnwindSafe(|| self.tell(&event)));
            };
            let cancelled = |running| {
                self.scheduler.stop();
                let event = Event::Stopping { running };
                let _ = catch_unwind(AssertUnwindSafe(|| self.tell(&event)));
            };
            around.inside(|| self.warden.keep(tries.grace, cancelled, overdue));
        };
        thread::scope(|scope| {
            let warden = thread::Builder::new().name("warden".to_owned());
            warden.spawn_scoped(scope, watch).map_err(|error| {
                let message = "cannot start the thread that looks after time limits";
                Error::new(ErrorKind::Io, message).because(error)
            })?;
            self.scheduler.run(|turn| self.step(turn));
            self.warden.close();
            Ok(())
        })
    }

    /// Decides one stage, and builds it if that is the decision. Failures end here.
    fn step(&self, mut turn: Turn) -> Progress {
        let at = turn.at;
        if self.ran.has_chosen(at) {
            // It was given to the run.
            return Progress::Done;
        }
        let done = caught(|| self.decide(&mut turn));
        if turn.granted {
            self.scheduler.release(at);
        }
        let error = match done {
            Ok(Ok(Decided::Hit(hit))) => {
                self.ran.hits.note(at, hit);
                return Progress::Done;
            }
            Ok(Ok(Decided::Chosen(chosen))) => {
                self.ran.choose(at, chosen);
                return Progress::Done;
            }
            Ok(Ok(Decided::Waits)) => return Progress::Waits,
            Ok(Ok(Decided::Later)) => return Progress::Later,
            Ok(Ok(Decided::Blocked)) => return Progress::Done,
            Ok(Err(error)) => error,
            // What stages and matchers do is caught nearer: this was an observer.
            Err(panic) => {
                Error::new(ErrorKind::Stage, "an observer of the run failed").because(panic)
            }
        };
        let error = with_store_gone(error, self.options.store.root());
        let dref = self.graph.dref(at).id();
        // An observer that panics here has been told of it once.
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
        let _ = catch_unwind(AssertUnwindSafe(|| self.tell(&event)));
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((at, error));
        if !self.options.keep_going {
            self.scheduler.stop();
        }
        Progress::Done
    }

    fn decide(&self, turn: &mut Turn) -> Result<Decided> {
        let at = turn.at;
        let stage = self.graph.dref(at);
        if self.lacking.contains(&at)
            && let Some(lack) = lack(&self.total, self.graph, stage)
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
            .any(|dep| !self.ran.has_chosen(*dep))
        {
            return Ok(Decided::Blocked);
        }
        let found = Found::of(&self.stock, at)?;
        let mode = self.options.mode(stage.id());
        if let Some(hit) = self.hit(at, mode) {
            count(&self.counters.reused);
            self.tell_ahead();
            let id = || [self.ran.hits.id_of(at, &hit)].into_iter();
            self.tell_chosen(stage.id(), false, id);
            return Ok(Decided::Hit(hit));
        }
        let chosen = chosen_for(self.graph, at, |dep| {
            Some(self.ran.taken(dep)?.rrefs.clone())
        });
        let context = context_of(&chosen);
        let scene = Scene {
            lookout: Some(&self.lookout),
            ..(self.options).scene(self.graph, stage, &chosen, &context, found)
        };
        let decision = scene.decide(mode);
        self.tell_ahead();
        let (taken, built) = match decision? {
            Decision::Take { taken, over } => {
                self.end(stage, &context, &over)?;
                count(&self.counters.reused);
                (taken, false)
            }
            Decision::Never(why) => {
                return Err(matcher_refused(self.graph.titled(stage.id()), &why));
            }
            Decision::Build { .. } if self.scheduler.is_alone() => return Ok(Decided::Later),
            Decision::Build { .. } => {
                if !turn.granted {
                    if let Some(lack) = lack(&self.total, self.graph, stage) {
                        return Err(lack);
                    }
                    if self.scheduler.take(turn) == Progress::Waits {
                        self.tell(&Event::Queued { dref: stage.id() });
                        return Ok(Decided::Waits);
                    }
                }
                match self.options.publishes {
                    true => build(self, at, &scene, mode)?,
                    false => (run_alone(self, at, &scene)?, true),
                }
            }
        };
        if is_failure(&taken.rrefs) {
            count(&self.counters.failures);
        }
        self.tell_chosen(stage.id(), built, || {
            taken.rrefs.iter().map(|rref| rref.id().clone())
        });
        Ok(Decided::Chosen(taken))
    }

    /// The only realization that there is for the stage, whose dependencies are chosen, if it takes that.
    fn hit(&self, at: usize, mode: Mode) -> Option<Hit> {
        let options = self.options;
        let node = self.graph.dref(at).node();
        if !node.takes_the_only() || mode == Mode::Forced || !options.by_hand.is_empty() {
            return None;
        }
        let code = node.code()?;
        let (omitted, nouts) = (node.omitted(), node.nouts());
        let ahead = Cell::new(None);
        let hit = self.ran.hits.find(at, |sole| {
            let heads = sole.heads().inspect(|build| {
                ahead.set(ahead.get().or_else(|| self.lookout.ahead(build)));
            });
            staleness(heads, code, omitted, options.trust_unknown).is_none()
                && (nouts == 1 || stand_for(sole.heads(), Today { code, omitted }, nouts))
        })?;
        if let Some(ended) = ahead.get() {
            self.lookout.found(self.ran.hits.id_of(at, &hit), ended);
        }
        Some(hit)
    }

    /// Removes marks of builds that have ended, unless somebody builds just now, who does it then.
    fn end(&self, stage: &AnyDRef, context: &Context, marks: &[String]) -> Result<()> {
        if marks.is_empty() || !self.stock.may_write() {
            return Ok(());
        }
        let (store, dref) = (&self.options.store, stage.id());
        let lock = store.lock_build_while(dref, context, &mut || {}, &|| false)?;
        match lock {
            Some(_lock) => store.mark_ended(dref, marks),
            None => Ok(()),
        }
    }

    fn tell_chosen<I: Iterator<Item = RRefId>>(
        &self,
        dref: &DRefId,
        built: bool,
        rrefs: impl FnOnce() -> I,
    ) {
        if !self.options.observers.is_empty() {
            let rrefs: Vec<_> = rrefs().collect();
            let rrefs: Vec<_> = rrefs.iter().collect();
            self.tell(&Event::Chosen {
                dref,
                rrefs: &rrefs,
                built,
            });
        }
    }
}
