//! A run: every stage of a plan, decided and, where it has to be, built.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::build::build;
use super::context::{chosen_for, context_of};
use super::decide::{Decision, Scene};
use super::event::Event;
use super::failure::{matcher_refused, panic_text, run_error};
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
    /// What was chosen for each stage; empty for one that failed or was not run.
    chosen: Vec<OnceLock<Arc<[AnyRRef]>>>,
    failures: Mutex<Vec<Error>>,
}

/// Runs a plan; gives for each stage what was chosen.
pub(super) fn run(options: &Realize<'_>, graph: &Graph) -> Result<(Vec<Arc<[AnyRRef]>>, Report)> {
    let state = RunState {
        options,
        graph,
        scheduler: Scheduler::new(&graph.stages),
        counters: Arc::default(),
        chosen: graph.stages.iter().map(|_| OnceLock::new()).collect(),
        failures: Mutex::default(),
    };
    state.tell(&Event::Begun {
        stages: graph.stages.len(),
    });
    state.scheduler.run(options.jobs, |at| state.step(at));
    let failures = state
        .failures
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let stages = state.chosen.len();
    let chosen: Vec<_> = state
        .chosen
        .into_iter()
        .filter_map(OnceLock::into_inner)
        .collect();
    if !failures.is_empty() || chosen.len() < stages {
        let blocked = stages - chosen.len() - failures.len().min(stages - chosen.len());
        return Err(run_error(failures, blocked));
    }
    Ok((chosen, state.counters.report(stages)))
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
            .push(error);
        if !self.options.keep_going {
            self.scheduler.stop();
        }
    }

    fn decide(&self, at: usize) -> Result<Option<Arc<[AnyRRef]>>> {
        let stage = &self.graph.stages[at];
        if stage
            .deps
            .iter()
            .any(|dep| self.chosen[*dep].get().is_none())
        {
            return Ok(None);
        }
        let chosen = chosen_for(self.graph, stage, |dep| self.chosen[dep].get().cloned());
        let context = context_of(&chosen);
        let scene = Scene {
            store: self.options.store,
            dref: &stage.dref,
            chosen: &chosen,
            context: &context,
            trust_unknown: self.options.trust_unknown,
        };
        let forced = self.options.is_forced(stage.dref.id());
        let (taken, built) = match scene.decide(forced)? {
            Decision::Take(taken) => {
                count(&self.counters.reused);
                (taken, false)
            }
            Decision::Never(why) => return Err(matcher_refused(stage.dref.id(), &why)),
            Decision::Build { .. } => build(self, &scene, forced)?,
        };
        if !self.options.observers.is_empty() {
            let ids: Vec<_> = taken.iter().map(AnyRRef::id).collect();
            self.tell(&Event::Chosen {
                dref: stage.dref.id(),
                rrefs: &ids,
                built,
            });
        }
        Ok(Some(taken))
    }
}
