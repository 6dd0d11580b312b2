//! Graphs: of the plan, of a store, of what a realization was made from, and around a realization.

use super::{Query, Reader, RealizationPage};
use crate::depends::Depends;
use crate::draw::{Drawing, Grouping, Node, Picture, State};
use crate::exit::CommandResult;
use crate::text::short_rref;
use pylightnix::config::RRefId;
use pylightnix::store::{Outcome, Referred};

/// The number of stages up to which each has a box.
const GROUP: usize = 40;
/// The most boxes of a side of a realization.
const NEAR: usize = 12;
/// A graph of more boxes is always grouped, as it would be too large to read.
const MOST: usize = 2000;

/// A picture, with the reference of each of its nodes.
pub(crate) struct Drawn {
    pub(crate) picture: Picture,
    pub(crate) references: Vec<String>,
    /// What it is of.
    pub(crate) of: Option<String>,
    pub(crate) is_plan: bool,
    /// Whether each stage has a box.
    pub(crate) is_whole: bool,
}

impl Drawn {
    pub(crate) fn read(reader: &Reader, query: &Query) -> CommandResult<Self> {
        let of = query.first("of");
        let wants_plan = of.is_none() && query.first("store").is_none();
        let plan = if wants_plan { reader.plan()? } else { None };
        let is_plan = plan.is_some();
        let depends = match (plan, of) {
            (Some(plan), _) => plan,
            (None, Some(of)) => Depends::of_referred(&reader.store, &[reader.store.refer(of)?])?,
            (None, None) => match reader.chosen() {
                Some(only) => {
                    let chosen = only.iter().cloned().map(Referred::Realization);
                    Depends::of_referred(&reader.store, &chosen.collect::<Vec<_>>())?
                }
                None => Depends::of_store(&reader.store)?,
            },
        };
        let drawing = depends.drawing();
        let count = drawing.nodes().len();
        let is_whole = query.first("all").is_some() && count <= MOST;
        let grouping = match is_whole {
            true => Grouping::Off,
            false => Grouping::Over(GROUP),
        };
        Ok(Drawn {
            picture: drawing.grouped(grouping),
            references: depends.references().map(str::to_owned).collect(),
            of: of.map(str::to_owned),
            is_plan,
            is_whole: is_whole || count <= GROUP,
        })
    }

    /// Draws a realization with its neighbours.
    pub(crate) fn around(page: &RealizationPage) -> Self {
        let mut drawing = Drawing::default();
        let mut references = Vec::new();
        let mut add = |rref: &RRefId, state: State| {
            references.push(rref.to_string());
            let node = Node::new(rref.name().as_str(), state);
            drawing.add(node.detail(short_rref(rref)).tooltip(rref.to_string()))
        };
        let state = match page.realization.outcome {
            Outcome::Ok => State::Realized,
            _ => State::Failed,
        };
        let middle = add(page.id(), state);
        let mut edges = Vec::new();
        for rref in page.realization.context.realizations().take(NEAR) {
            edges.push((add(rref, State::Realized), middle));
        }
        for rref in page.dependents.iter().flatten().take(NEAR) {
            edges.push((middle, add(rref, State::Realized)));
        }
        for (from, into) in edges {
            drawing.connect(from, into);
        }
        Drawn {
            picture: drawing.grouped(Grouping::Off),
            references,
            of: Some(page.id().to_string()),
            is_plan: false,
            is_whole: true,
        }
    }
}
