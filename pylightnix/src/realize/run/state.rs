//! The state of a run, and the events that it sends to observers.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, Once, PoisonError};

use super::choices::Choices;
use super::counters::Counters;
use super::scheduler::Scheduler;
use crate::Error;
use crate::config::{DRefId, RRefId};
use crate::lens::StageReport;
use crate::plan::PlanGraph;
use crate::realize::decide::clock_watch::ClockWatch;
use crate::realize::decide::context::recorded_choices;
use crate::realize::decide::earlier::earlier_results;
use crate::realize::execute::configs::ConfigChecks;
use crate::realize::lookup::prefetch::Lookups;
use crate::realize::options::Realize;
use crate::realize::report::event::Event;
use crate::realize::report::reason::Reason;
use crate::realize::resources::pool::Amounts;
use crate::realize::resources::units::UnitPool;
use crate::realize::stop::watchdog::Watchdog;
use crate::realize::why::Briefs;

/// The state of a run, shared by all its threads.
pub(in crate::realize) struct RunState<'a> {
    pub(in crate::realize) options: &'a Realize<'a>,
    pub(in crate::realize) graph: &'a Arc<PlanGraph>,
    pub(in crate::realize) scheduler: Scheduler<'a>,
    pub(in crate::realize) counters: Arc<Counters>,
    /// The channel for reports of running stages; `None` without observers.
    pub(in crate::realize) progress: Option<Arc<SyncSender<StageReport>>>,
    /// The stages that fail whatever their dependencies give, each with the reason.
    pub(in crate::realize) refused: HashMap<usize, String>,
    /// The prefetched snapshots of the stages.
    pub(in crate::realize) lookups: Lookups<'a>,
    pub(in crate::realize) watchdog: Arc<Watchdog>,
    /// Completed once observers know which stages were undecided when the first one had to run.
    pub(in crate::realize) left_told: Once,
    /// The summaries of the reasons why stages are built.
    pub(in crate::realize) briefs: Mutex<Briefs<'a>>,
    /// The resources shared by all stages.
    pub(in crate::realize) total: Amounts,
    /// The units of the resources that no stage has at the moment.
    pub(in crate::realize) units: Arc<UnitPool>,
    pub(in crate::realize) configs: ConfigChecks,
    /// The stages that have to run, and need more resources than the run has.
    pub(in crate::realize) lacking: HashSet<usize>,
    pub(in crate::realize) choices: Choices,
    pub(in crate::realize) clock_watch: ClockWatch,
    /// The number of stages that were chosen before.
    pub(in crate::realize) given: usize,
    /// The errors of stages, each with the index of its stage in the plan.
    pub(in crate::realize) failures: Mutex<Vec<(usize, Error)>>,
}

/// How a stage came to its results in a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::realize) enum ChosenBy {
    Reusing,
    Carrying,
    Fetching,
    Building,
}

impl<'a> RunState<'a> {
    pub(in crate::realize) fn notify(&self, event: &Event<'_>) {
        self.options.notify(event);
    }

    /// Returns a summary of the reason why a stage is built.
    pub(in crate::realize) fn brief(&self, at: usize, reason: &Reason) -> String {
        let choices = recorded_choices(self.graph, at, |dep| self.choices.taken(dep));
        // A panic, for example of an observer, cannot leave the cache inconsistent.
        let mut briefs = self.briefs.lock().unwrap_or_else(PoisonError::into_inner);
        briefs.of_run(at, choices, reason)
    }

    /// Notifies observers of a build record ahead of the clock, at most once.
    pub(in crate::realize) fn notify_ahead(&self) {
        self.clock_watch.notify(|rref, ended| {
            self.notify(&Event::AheadOfClock { rref, ended });
        });
    }

    /// Notifies observers of the undecided stages, at most once.
    pub(in crate::realize) fn notify_left(&self) {
        if self.options.observers.is_empty() {
            return;
        }
        // `call_once_force`, because an observer may panic in here, and the other observers must still be told.
        self.left_told.call_once_force(|_| {
            // What cannot be read is an error of the stage that needs it.
            if let Ok(Some(results)) = earlier_results(&self.options.store, self.graph) {
                self.notify(&Event::EarlierResults { results: &results });
            }
            let stages = self.graph.drefs().enumerate();
            let left = stages.filter(|(at, _)| !self.choices.has_chosen(*at));
            let drefs: Vec<_> = left.map(|(_, stage)| stage.id()).collect();
            self.notify(&Event::Left { drefs: &drefs });
        });
    }

    pub(in crate::realize) fn tell_chosen<I: Iterator<Item = RRefId>>(
        &self,
        dref: &DRefId,
        by: ChosenBy,
        rrefs: impl FnOnce() -> I,
    ) {
        if !self.options.observers.is_empty() {
            let rrefs: Vec<_> = rrefs().collect();
            let rrefs: Vec<_> = rrefs.iter().collect();
            self.notify(&Event::Chosen {
                dref,
                rrefs: &rrefs,
                built: by == ChosenBy::Building,
                carried: by == ChosenBy::Carrying,
                fetched: by == ChosenBy::Fetching,
            });
        }
    }
}
