//! Questions: realizing a part of a plan before the rest of it is made, so that a derivation is chosen once in a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::config::{DRefId, RRefId};
use crate::plan::{Listed, PlanGraph, Realizations, Target};
use crate::realize::foresee::foresee;
use crate::realize::lookup::recalled::Recalled;
use crate::realize::options::Realize;
use crate::realize::report::taken::Taken;
use crate::realize::report::titles::Titles;
use crate::realize::report::totals::Report;
use crate::realize::run::run_plan::run_plan;
use crate::realize::stage_params::StageParams;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

impl Realize<'_> {
    /// Realizes a target, and keeps the choices for the rest of the run. What is to be forced is forced once.
    pub(crate) fn ask<T: Target + ?Sized>(&mut self, target: &T) -> Result<(T::Output, Report)> {
        self.check_resources()?;
        let graph = Arc::new(PlanGraph::counting(target, &self.counts, &mut |_| ())?);
        self.force_those_in(&graph);
        let list = |listed: &mut Listed<'_>| {
            graph.parts().iter().for_each(listed);
            Ok(graph.clone())
        };
        let (_, choices, report) = run_plan(self, list, &self.given)?;
        for (at, stage) in graph.drefs().enumerate() {
            if let Some(taken) = choices.taken(at) {
                self.keep(stage.id(), taken.clone());
            }
        }
        let chosen = |at| choices.taken(at).map(|taken| &taken.rrefs);
        Ok((self.hand_out(&graph, target, chosen)?, report))
    }

    /// Realizes the final plan of a run that was asked before.
    pub(crate) fn answer_last<T: Target + ?Sized>(
        &mut self,
        target: &T,
    ) -> Result<(T::Output, Report)> {
        if self.forced_in.is_some() {
            let graph = Arc::new(PlanGraph::counting(target, &self.counts, &mut |_| ())?);
            self.force_those_in(&graph);
        }
        self.run_reporting(target)
    }

    /// Returns what a run would give for a target if nothing has to run, and keeps the choices. Otherwise returns the titles of
    /// the stages of the target whose results are not known.
    pub(crate) fn look<T: Target + ?Sized>(
        &mut self,
        target: &T,
    ) -> Result<Result<T::Output, Vec<String>>> {
        let graph = Arc::new(PlanGraph::counting(target, &self.counts, &mut |_| ())?);
        self.force_those_in(&graph);
        let foreseen = foresee(self, &graph, None)?;
        let titles = Titles::of_graph(&graph);
        let mut unknown = Vec::new();
        target.visit(&mut |dref| {
            let at = graph.place(dref.id());
            if at.is_none_or(|at| foreseen[at].taken.is_none()) {
                unknown.push(titles.title(dref.id()));
            }
        });
        if !unknown.is_empty() {
            return Ok(Err(unknown));
        }
        for (stage, foreseen) in graph.drefs().zip(&foreseen) {
            if let Some(taken) = &foreseen.taken {
                self.keep(stage.id(), taken.clone());
            }
        }
        let chosen = |at: usize| foreseen[at].taken.as_ref().map(|taken| &taken.rrefs);
        Ok(Ok(graph.collect(target, chosen)))
    }

    /// Returns the realizations of a target that an earlier process chose, without choosing.
    pub(crate) fn recall<T: Target + ?Sized>(
        &mut self,
        target: &T,
        chosen: &BTreeMap<DRefId, Vec<RRefId>>,
    ) -> Result<T::Output> {
        let graph = PlanGraph::counting(target, &self.counts, &mut |_| ())?;
        let mut recalled = Recalled::new(&self.store, &graph);
        let mut realizations = Realizations::default();
        let mut missing = None;
        target.visit(&mut |dref| match chosen.get(dref.id()) {
            Some(rrefs) => match recalled.all(rrefs) {
                Ok(rrefs) => realizations.insert(dref.id(), &rrefs),
                Err(error) => missing = Some(error),
            },
            None => {
                let message = format!("no realization of {dref} was chosen");
                missing = Some(Error::new(ErrorKind::Plan, message));
            }
        });
        match missing {
            Some(error) => Err(error),
            None => Ok(target.collect(&realizations)),
        }
    }

    /// Returns the realizations that were chosen in this run for a stage.
    pub(crate) fn chosen(&self, dref: &DRefId) -> Vec<RRefId> {
        let taken = self.given.get(dref);
        let rrefs = taken.iter().flat_map(|taken| taken.rrefs.iter());
        rrefs.map(|rref| rref.id().clone()).collect()
    }

    /// Returns the store of the run.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Notes an answer that the run gave while its plan was made.
    pub(crate) fn answered(&self, target: &str, answer: &impl Serialize) {
        if let Some(processes) = &self.processes {
            processes.answered(target, answer);
        }
        if let Some(dispatcher) = &self.dispatcher {
            dispatcher.answered(target, answer);
        }
        self.sandboxes.answered(target, answer);
    }

    /// Sets the parameters that the records of the next builds tell.
    pub(crate) fn record_params(&mut self, params: StageParams) {
        self.params = params;
    }

    fn keep(&mut self, dref: &DRefId, taken: Taken) {
        self.forced.remove(dref);
        self.given.insert(dref.clone(), taken);
    }

    /// Forces what is to be forced in this plan, unless it was chosen in this run.
    fn force_those_in(&mut self, graph: &Arc<PlanGraph>) {
        let Some(forced_in) = &self.forced_in else {
            return;
        };
        let forced = forced_in(&Titles::of_graph(graph));
        let given = &self.given;
        let forced = forced.into_iter().filter(|dref| !given.contains_key(dref));
        self.forced.extend(forced);
    }
}
