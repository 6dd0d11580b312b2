//! A run: every stage of a plan, decided and, where it has to be, built.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::arguments;
use super::build::build;
use super::context::{chosen_for, context_of};
use super::decide::{Decision, Scene, Taken};
use super::event::Event;
use super::failed::is_failure;
use super::failure::{matcher_refused, panic_text, run_error, with_store_gone};
use super::needed::refused;
use super::options::Realize;
use super::report::{Counters, Report, count};
use super::scheduler::Scheduler;
use crate::lens::AnyRRef;
use crate::plan::Graph;
use crate::{Error, ErrorKind, Result};

/// What the stages of one run share.
pub(super) struct RunState<'a> {
    pub(super) options: &'a Realize<'a>,
    pub(super) graph: &'a Graph,
    pub(super) scheduler: Scheduler<'a>,
    pub(super) counters: Arc<Counters>,
    /// Stages that fail whatever the others give, with the reason.
    refused: HashMap<usize, String>,
    /// What was chosen for each stage; empty for one that failed or was not run.
    pub(super) chosen: Vec<OnceLock<Taken>>,
    /// Each with the place of its stage.
    failures: Mutex<Vec<(usize, Error)>>,
}

/// Runs a plan; gives for each stage what was chosen.
pub(super) fn run(options: &Realize<'_>, graph: &Graph) -> Result<(Vec<Arc<[AnyRRef]>>, Report)> {
    arguments::check(options, graph)?;
    let state = RunState {
        options,
        graph,
        scheduler: Scheduler::new(&graph.stages),
        counters: Arc::default(),
        refused: refused(options, graph)?,
        chosen: graph.stages.iter().map(|_| OnceLock::new()).collect(),
        failures: Mutex::default(),
    };
    // Before any realization is trusted to be there, and to stay.
    let stages = graph.stages.iter();
    options
        .store
        .use_derivations(stages.map(|stage| stage.dref.id()))?;
    state.tell(&Event::Begun {
        stages: graph.stages.len(),
    });
    if !options.keep_going {
        // This stops the run before it begins.
        state.refused.keys().for_each(|at| state.step(*at));
    }
    state.scheduler.run(options.jobs, |at| state.step(at));
    let mut failures = state
        .failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let stages = state.chosen.len();
    let chosen: Vec<_> = state
        .chosen
        .into_iter()
        .filter_map(|chosen| Some(chosen.into_inner()?.rrefs))
        .collect();
    if failures.is_empty() && chosen.len() == stages {
        return Ok((chosen, state.counters.report(stages)));
    }
    // The same error whichever thread was first.
    failures.sort_by_key(|(at, _)| *at);
    let blocked = blocked(graph, failures.iter().map(|(at, _)| *at));
    let left = (stages - chosen.len()).saturating_sub(failures.len() + blocked);
    let failures = failures.into_iter().map(|(_, error)| error).collect();
    Err(run_error(failures, blocked, left))
}

/// How many stages need one that failed.
fn blocked(graph: &Graph, failed: impl Iterator<Item = usize>) -> usize {
    let mut waiting: Vec<usize> = failed.collect();
    let failed: HashSet<usize> = waiting.iter().copied().collect();
    let mut blocked = HashSet::new();
    while let Some(at) = waiting.pop() {
        for &dependent in &graph.stages[at].dependents {
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

    /// Decides one stage, and builds it if that is the decision. Failures end here.
    fn step(&self, at: usize) {
        let done = catch_unwind(AssertUnwindSafe(|| self.decide(at)));
        let error = match done {
            Ok(Ok(Some(chosen))) => {
                let _ = self.chosen[at].set(chosen);
                return;
            }
            // A dependency failed.
            Ok(Ok(None)) => return,
            Ok(Err(error)) => error,
            // What stages and matchers do is caught nearer: this was an observer.
            Err(panic) => Error::new(ErrorKind::Stage, "an observer of the run failed")
                .because(panic_text(&*panic)),
        };
        let error = with_store_gone(error, self.options.store.root());
        let dref = self.graph.stages[at].dref.id();
        // An observer that panics here has been told of it once.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            self.tell(&Event::Failed {
                dref,
                error: &error,
            })
        }));
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((at, error));
        if !self.options.keep_going {
            self.scheduler.stop();
        }
    }

    fn decide(&self, at: usize) -> Result<Option<Taken>> {
        let stage = &self.graph.stages[at];
        if let Some(why) = self.refused.get(&at) {
            return Err(matcher_refused(stage.dref.id(), why));
        }
        if stage
            .deps
            .iter()
            .any(|dep| self.chosen[*dep].get().is_none())
        {
            return Ok(None);
        }
        let chosen = chosen_for(self.graph, stage, |dep| {
            Some(self.chosen[dep].get()?.rrefs.clone())
        });
        let context = context_of(&chosen);
        let scene = Scene {
            store: self.options.store,
            dref: &stage.dref,
            chosen: &chosen,
            context: &context,
            trust_unknown: self.options.trust_unknown,
        };
        let look = self.options.look(stage.dref.id());
        let (taken, built) = match scene.decide(look)? {
            Decision::Take(taken) => {
                count(&self.counters.reused);
                (taken, false)
            }
            Decision::Never(why) => return Err(matcher_refused(stage.dref.id(), &why)),
            Decision::Build { .. } => build(self, at, &scene, look)?,
        };
        if is_failure(&taken.rrefs) {
            count(&self.counters.failures);
        }
        if !self.options.observers.is_empty() {
            let ids: Vec<_> = taken.rrefs.iter().map(AnyRRef::id).collect();
            self.tell(&Event::Chosen {
                dref: stage.dref.id(),
                rrefs: &ids,
                built,
            });
        }
        Ok(Some(taken))
    }
}
