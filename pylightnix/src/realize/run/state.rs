//! The state of a run, and what it tells observers.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, Once, PoisonError};

use super::choices::Choices;
use super::counters::Counters;
use super::scheduler::Scheduler;
use crate::Error;
use crate::config::{DRefId, RRefId};
use crate::lens::ProgressReport;
use crate::plan::PlanGraph;
use crate::realize::decide::clock_watch::ClockWatch;
use crate::realize::decide::context::recorded_choices;
use crate::realize::execute::Executor;
use crate::realize::execute::configs::ConfigChecks;
use crate::realize::lookup::prefetch::Lookups;
use crate::realize::options::Realize;
use crate::realize::report::event::Event;
use crate::realize::report::reason::Reason;
use crate::realize::resources::pool::Amounts;
use crate::realize::stop::watchdog::Watchdog;
use crate::realize::why::Briefs;

/// The state of a run, which all its threads share.
pub(in crate::realize) struct RunState<'a> {
    pub(in crate::realize) options: &'a Realize<'a>,
    pub(in crate::realize) graph: &'a Arc<PlanGraph>,
    pub(in crate::realize) scheduler: Scheduler<'a>,
    pub(in crate::realize) counters: Arc<Counters>,
    /// Where stages send their progress; `None` without observers.
    pub(in crate::realize) progress: Option<SyncSender<ProgressReport>>,
    /// Stages that fail whatever their dependencies give, each with the reason.
    pub(in crate::realize) refused: HashMap<usize, String>,
    /// What the store has for each stage.
    pub(in crate::realize) lookups: Lookups<'a>,
    pub(in crate::realize) watchdog: Arc<Watchdog>,
    /// Done once observers were told which stages were left when the first one had to run.
    pub(in crate::realize) left_told: Once,
    /// Why stages are built, in a few words.
    pub(in crate::realize) briefs: Mutex<Briefs<'a>>,
    /// The resources that all stages share.
    pub(in crate::realize) total: Amounts,
    pub(in crate::realize) configs: ConfigChecks,
    /// Stages that have to run, and need more resources than the run has.
    pub(in crate::realize) lacking: HashSet<usize>,
    pub(in crate::realize) choices: Choices,
    pub(in crate::realize) clock_watch: ClockWatch,
    /// The errors of stages, each with the place of its stage in the plan.
    pub(in crate::realize) failures: Mutex<Vec<(usize, Error)>>,
}

impl<'a> RunState<'a> {
    /// What carries out the builds of this run.
    pub(in crate::realize) fn executor(&self) -> &dyn Executor<'a> {
        &self.scheduler
    }

    pub(in crate::realize) fn tell(&self, event: &Event<'_>) {
        self.options.tell(event);
    }

    /// Says in a few words why a stage is built.
    pub(in crate::realize) fn brief(&self, at: usize, reason: &Reason) -> String {
        let choices = recorded_choices(self.graph, at, |dep| self.choices.taken(dep));
        // A cache of answers is never half-done, so an observer that panicked under this lock did no harm.
        let mut briefs = self.briefs.lock().unwrap_or_else(PoisonError::into_inner);
        briefs.of_run(at, choices, reason)
    }

    /// Tells observers, once, of a build record that lies ahead of the clock.
    pub(in crate::realize) fn tell_ahead(&self) {
        self.clock_watch.tell(|rref, ended| {
            self.tell(&Event::AheadOfClock { rref, ended });
        });
    }

    /// Tells observers, once, which stages are not decided yet.
    pub(in crate::realize) fn tell_left(&self) {
        if self.options.observers.is_empty() {
            return;
        }
        // `_force`: an observer may panic in here, and others are told all the same.
        self.left_told.call_once_force(|_| {
            let stages = self.graph.drefs().enumerate();
            let left = stages.filter(|(at, _)| !self.choices.has_chosen(*at));
            let drefs: Vec<_> = left.map(|(_, stage)| stage.id()).collect();
            self.tell(&Event::Left { drefs: &drefs });
        });
    }

    pub(in crate::realize) fn tell_chosen<I: Iterator<Item = RRefId>>(
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
