//! The graph to draw, and the boxes of a picture.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::grouping::{self, Grouping};
use super::order;
use super::text::{shortened, width};
use pylightnix::internal::text::thousands;

/// The maximum width of a title in columns, for boxes that other programs lay out: names may have 200 characters.
const LONGEST: usize = 48;

/// A graph of stages or results.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    nodes: Vec<Node>,
    /// The edges, from a dependency to its dependent.
    edges: Vec<(usize, usize)>,
}

/// A stage or a result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Node {
    /// The name on the box; nodes of one name may share a box.
    pub name: String,
    /// What distinguishes it from others with its name, such as a short reference. May be empty.
    pub detail: String,
    /// The state of the node.
    pub state: State,
    /// The tooltip, in formats that have them. May be empty.
    pub tooltip: String,
}

/// The state of a stage, in the order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum State {
    /// It is in the store.
    Realized,
    /// It is in the store, and a run reuses it.
    Reused,
    /// A run decides about it once its dependencies are known.
    Undecided,
    /// A run builds it.
    ToBuild,
    /// It was made by other code, so that a run builds it again.
    Stale,
    /// It is missing in the store.
    Missing,
    /// It failed, or it cannot be made.
    Failed,
}

impl State {
    /// Every state.
    pub const ALL: [State; 7] = [
        State::Realized,
        State::Reused,
        State::Undecided,
        State::ToBuild,
        State::Stale,
        State::Missing,
        State::Failed,
    ];

    /// Returns an identifier of the state: `to_build`.
    pub fn key(self) -> &'static str {
        match self {
            State::Realized => "realized",
            State::Reused => "reused",
            State::Undecided => "undecided",
            State::ToBuild => "to_build",
            State::Stale => "stale",
            State::Missing => "missing",
            State::Failed => "failed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::ToBuild => "to build",
            state => state.key(),
        })
    }
}

impl Node {
    /// Creates a node with a name and a state.
    pub fn new(name: impl Into<String>, state: State) -> Self {
        Node {
            name: name.into(),
            detail: String::new(),
            state,
            tooltip: String::new(),
        }
    }

    /// Sets what distinguishes it from others with its name.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Sets the tooltip.
    #[must_use]
    pub fn tooltip(mut self, tooltip: impl Into<String>) -> Self {
        self.tooltip = tooltip.into();
        self
    }
}

impl Drawing {
    /// Adds a node, and returns its number.
    pub fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Adds an edge from a dependency to its dependent. Duplicates are ignored, and so is what no plan
    /// has: an edge from a node to itself, a number without a node, and one edge of each cycle.
    pub fn connect(&mut self, from: usize, into: usize) {
        self.edges.push((from, into));
    }

    /// Returns the nodes, by their numbers.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the picture, with similar nodes in one box.
    pub fn grouped(&self, grouping: Grouping) -> Picture {
        let edges = order::acyclic(self.nodes.len(), &self.edges);
        grouping::picture(&self.nodes, &edges, grouping)
    }
}

/// A picture: the boxes to draw, and the edges between them.
#[derive(Clone, Debug)]
pub struct Picture {
    pub(super) boxes: Vec<PictureBox>,
    /// The edges from a dependency to its dependent, sorted, without duplicates. Dependencies have lower numbers.
    pub(super) edges: Vec<(usize, usize)>,
}

/// A box of a picture: a node, or several similar ones.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PictureBox {
    /// The name of its nodes, without control characters.
    pub name: String,
    /// The value of its only node; empty if there are several.
    pub detail: String,
    /// The number of its nodes in each state.
    pub states: BTreeMap<State, usize>,
    /// The value of its only node; empty if there are several.
    pub tooltip: String,
    /// The numbers of its nodes.
    pub nodes: Vec<usize>,
}

impl PictureBox {
    /// Returns the name with the number of nodes: "train ×100".
    pub(super) fn title(&self) -> String {
        match self.nodes.len() {
            1 => self.name.clone(),
            count => format!("{} ×{}", self.name, thousands(count)),
        }
    }

    /// Returns the lines of text in the box, for formats in which another program determines the box's width.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            self.short_title(LONGEST),
            self.detail.clone(),
            self.standing(),
        ];
        lines.retain(|line| !line.is_empty());
        lines
    }

    /// Returns the title shortened to `most` columns, with the complete number of nodes.
    pub(super) fn short_title(&self, most: usize) -> String {
        let title = self.title();
        let count = title.strip_prefix(&self.name).unwrap_or_default();
        let name = shortened(&self.name, most.saturating_sub(width(count)).max(1));
        shortened(&format!("{name}{count}"), most)
    }

    /// Returns the states, with counts if there are several nodes: "60 reused, 40 to build".
    pub(super) fn standing(&self) -> String {
        match self.nodes.len() {
            1 => self.state().to_string(),
            _ => counts(&self.states),
        }
    }

    /// Returns the most urgent state.
    pub(super) fn state(&self) -> State {
        let last = self.states.keys().next_back();
        last.copied().unwrap_or(State::Realized)
    }
}

impl Picture {
    /// Returns the boxes, dependencies first.
    pub fn boxes(&self) -> &[PictureBox] {
        &self.boxes
    }

    /// Returns the edges by the numbers of the boxes, sorted, without duplicates.
    pub fn edges(&self) -> &[(usize, usize)] {
        &self.edges
    }

    /// Counts the nodes in each state.
    pub fn states(&self) -> BTreeMap<State, usize> {
        let mut states = BTreeMap::new();
        for (state, count) in self.boxes.iter().flat_map(|one| &one.states) {
            *states.entry(*state).or_default() += count;
        }
        states
    }

    /// Summarizes the picture in one line: "1,000 stages in 12 boxes: 600 reused, 400 to build".
    pub fn summary(&self) -> String {
        let states = self.states();
        let nodes: usize = states.values().sum();
        let mut text = format!("{} stage{}", thousands(nodes), plural(nodes));
        if nodes > self.boxes.len() {
            let boxes = self.boxes.len();
            text += &format!(
                " in {} box{}",
                thousands(boxes),
                if boxes == 1 { "" } else { "es" }
            );
        }
        if nodes > 0 {
            text += &format!(": {}", counts(&states));
        }
        text
    }

    /// Returns for each box its dependencies and its dependents.
    pub(super) fn neighbours(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        order::neighbours(self.boxes.len(), &self.edges)
    }

    /// Returns the states that colour its boxes.
    pub(super) fn box_states(&self) -> BTreeSet<State> {
        self.boxes.iter().map(PictureBox::state).collect()
    }
}

fn counts(states: &BTreeMap<State, usize>) -> String {
    let each = states
        .iter()
        .map(|(state, count)| format!("{} {state}", thousands(*count)));
    each.collect::<Vec<_>>().join(", ")
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
