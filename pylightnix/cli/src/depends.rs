//! The data of a graph: the plan of a program, the closure of a result, or a whole store.

use serde::{Serialize, Serializer};
use std::collections::HashMap;

use crate::draw::{Drawing, Node, State};
use crate::exit::CommandResult;
use crate::experiment::Experiment;
use crate::stages::Stages;
use crate::text::{number, short_dref, short_rref};
use crate::visible;
use pylightnix::config::{DRefId, RRefId};
use pylightnix::plan::AnyDRef;
use pylightnix::realize::{Action, DryPlan, Realize, Reason, Step};
use pylightnix::store::{Context, Outcome, Referred, Store, Unread};

/// From this number of nodes on, series are not read, as they could not be seen.
const MOST_DRAWN: usize = 40;

/// The width of the drawing of a series.
const DRAWING: usize = 8;

/// A graph of derivations and realizations with their dependencies.
#[derive(Default, Serialize)]
pub(crate) struct Depends {
    nodes: Vec<Item>,
    edges: Vec<Edge>,
    #[serde(skip)]
    at: HashMap<String, usize>,
}

#[derive(Serialize)]
struct Item {
    /// The complete reference of a derivation or a realization.
    reference: String,
    name: String,
    #[serde(serialize_with = "key")]
    state: State,
    /// The reason of the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip)]
    short: String,
    /// The realization, if there is one to show for it.
    #[serde(skip)]
    result: Option<RRefId>,
}

#[derive(Serialize)]
struct Edge {
    /// The dependency.
    from: String,
    /// The dependent.
    into: String,
}

fn key<S: Serializer>(state: &State, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(state.key())
}

impl Depends {
    /// Builds the graph of the plan of these stages, with what a run would do.
    pub(crate) fn of_plan(
        store: &Store,
        experiment: &Experiment,
        stages: &Stages,
    ) -> CommandResult<Self> {
        let run = experiment.configured(Realize::new(store));
        let plan = run.plan(&stages.whole)?;
        let deps: HashMap<&DRefId, &AnyDRef> = stages.all().map(|dref| (dref.id(), dref)).collect();
        let mut depends = Depends::default();
        for step in &plan.steps {
            let (state, reason) = standing(&plan, step);
            let result = match &step.action {
                Action::Reuse(rrefs) => rrefs.first().cloned(),
                _ => None,
            };
            depends.add(Item {
                result,
                ..derivation(&step.dref, state, reason)
            });
            for dep in deps
                .get(&step.dref)
                .map_or(&[][..], |dref| dref.config_json().deps())
            {
                depends.connect(dep.to_string(), step.dref.to_string());
            }
        }
        Ok(depends)
    }

    /// Builds the graph of the closures of these results.
    pub(crate) fn of_referred(store: &Store, referred: &[Referred]) -> CommandResult<Self> {
        let mut depends = Depends::default();
        for one in referred {
            match one {
                Referred::Derivation(dref) => depends.add_derivations(store, dref)?,
                Referred::Realization(rref) | Referred::Artifact(rref, _) => {
                    depends.add_realizations(store, rref)?
                }
            }
        }
        Ok(depends)
    }

    /// Builds the graph of all realizations in a store.
    pub(crate) fn of_store(store: &Store) -> CommandResult<Self> {
        let mut drefs = store.drefs_named("*")?;
        drefs.sort_unstable();
        let mut depends = Depends::default();
        for (dref, found) in store.realizations_of_each(&drefs) {
            for found in found {
                let (rref, state, reason, context) = match found {
                    Ok(found) => (found.id, state(found.outcome), None, Some(found.context)),
                    Err(Unread { rref, error, .. }) => match rref {
                        Some(rref) => (rref, State::Missing, Some(error.to_string()), None),
                        None => {
                            depends.add(derivation(dref, State::Missing, Some(error.to_string())));
                            continue;
                        }
                    },
                };
                depends.add(realization(&rref, state, reason));
                let deps = context.iter().flat_map(Context::realizations);
                let mut deps: Vec<_> = deps.collect();
                deps.sort_unstable();
                for dep in deps {
                    depends.connect(dep.to_string(), rref.to_string());
                }
            }
        }
        let is_missing = |edge: &&Edge| !depends.at.contains_key(&edge.from);
        let missing = depends.edges.iter().filter(is_missing);
        let missing: Vec<RRefId> = missing.filter_map(|edge| edge.from.parse().ok()).collect();
        for rref in missing {
            depends.add(realization(&rref, State::Missing, None));
        }
        Ok(depends)
    }

    /// Adds drawings of the series that the stages recorded, unless there are many nodes.
    pub(crate) fn draw_series(&mut self, store: &Store) {
        if self.nodes.len() > MOST_DRAWN {
            return;
        }
        for item in &mut self.nodes {
            // What cannot be read is not drawn.
            let series = item
                .result
                .as_ref()
                .and_then(|rref| store.series(rref).ok());
            if let Some(first) = series.as_ref().and_then(|series| series.first()) {
                let drawing = first.sparkline(DRAWING);
                let name = visible::line(&first.name).into_owned();
                item.short += &format!(" {name} {drawing} {}", number(first.last));
            }
        }
    }

    fn add_realizations(&mut self, store: &Store, rref: &RRefId) -> CommandResult<()> {
        let mut waiting = vec![rref.clone()];
        while let Some(rref) = waiting.pop() {
            if self.at.contains_key(&rref.to_string()) {
                continue;
            }
            // A graph of a damaged store shows what is damaged.
            let found = match store.realization(&rref) {
                Ok(found) => found,
                Err(error) => {
                    self.add(realization(&rref, State::Missing, Some(error.to_string())));
                    continue;
                }
            };
            self.add(realization(&rref, state(found.outcome), None));
            let mut deps: Vec<_> = found.context.realizations().cloned().collect();
            deps.sort_unstable();
            for dep in deps.into_iter().rev() {
                self.connect(dep.to_string(), rref.to_string());
                waiting.push(dep);
            }
        }
        Ok(())
    }

    fn add_derivations(&mut self, store: &Store, dref: &DRefId) -> CommandResult<()> {
        let mut waiting = vec![dref.clone()];
        while let Some(dref) = waiting.pop() {
            if self.at.contains_key(&dref.to_string()) {
                continue;
            }
            let config = match store.config(&dref) {
                Ok(config) => config,
                Err(error) => {
                    self.add(derivation(&dref, State::Missing, Some(error.to_string())));
                    continue;
                }
            };
            let (state, reason) = match store.rrefs_of(&dref)?.len() {
                0 => (State::Missing, Some("it has no realizations".to_owned())),
                _ => (State::Realized, None),
            };
            self.add(derivation(&dref, state, reason));
            for dep in config.deps().iter().rev() {
                self.connect(dep.to_string(), dref.to_string());
                waiting.push(dep.clone());
            }
        }
        Ok(())
    }

    fn add(&mut self, item: Item) {
        if !self.at.contains_key(&item.reference) {
            self.at.insert(item.reference.clone(), self.nodes.len());
            self.nodes.push(item);
        }
    }

    fn connect(&mut self, from: String, into: String) {
        self.edges.push(Edge { from, into });
    }

    /// Returns the references of the nodes of the drawing, by their numbers.
    #[cfg(feature = "pages")]
    pub(crate) fn references(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|item| item.reference.as_str())
    }

    /// Converts the graph to a drawing.
    pub(crate) fn drawing(&self) -> Drawing {
        let mut drawing = Drawing::default();
        for item in &self.nodes {
            let tooltip = match &item.reason {
                Some(reason) => format!("{}\n{}: {reason}", item.reference, item.state),
                None => format!("{}\n{}", item.reference, item.state),
            };
            let node = Node::new(&item.name, item.state)
                .detail(&item.short)
                .tooltip(tooltip);
            drawing.add(node);
        }
        for Edge { from, into } in &self.edges {
            if let (Some(from), Some(into)) = (self.at.get(from), self.at.get(into)) {
                drawing.connect(*from, *into);
            }
        }
        drawing
    }
}

fn derivation(dref: &DRefId, state: State, reason: Option<String>) -> Item {
    Item {
        reference: dref.to_string(),
        name: dref.name().to_string(),
        state,
        reason,
        short: short_dref(dref),
        result: None,
    }
}

fn realization(rref: &RRefId, state: State, reason: Option<String>) -> Item {
    Item {
        reference: rref.to_string(),
        name: rref.name().to_string(),
        state,
        reason,
        short: short_rref(rref),
        result: Some(rref.clone()),
    }
}

fn state(outcome: Outcome) -> State {
    match outcome {
        Outcome::Ok => State::Realized,
        _ => State::Failed,
    }
}

fn standing(plan: &DryPlan, step: &Step) -> (State, Option<String>) {
    let state = match &step.action {
        Action::Reuse(_) | Action::Carry { .. } => State::Reused,
        Action::Build {
            reason: Reason::Stale(_),
            ..
        } => State::Stale,
        Action::Build { .. } => State::ToBuild,
        Action::Failed(_) | Action::Fails(_) => State::Failed,
        _ => State::Undecided,
    };
    (state, plan.reason(step))
}
