//! What is drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::grouping::{self, Grouping};
use super::order;
use super::text::{shortened, width};

/// The longest title in a box whose width others decide, in columns: names may have 200 characters.
const LONGEST: usize = 48;

/// Stages, and what goes into which.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    nodes: Vec<Node>,
    /// From what goes in to what it goes into.
    edges: Vec<(usize, usize)>,
}

/// One stage, or one result of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Node {
    /// The name that is written on it; those of one name may share a box.
    pub name: String,
    /// What tells it from others of its name, a short reference say. Empty: nothing.
    pub detail: String,
    /// How it stands.
    pub state: State,
    /// What is shown when one points at it, where the format can. Empty: nothing.
    pub tooltip: String,
}

/// How a stage stands, the more urgent later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum State {
    /// It is in the store.
    Realized,
    /// It is in the store, and a run takes it from there.
    Reused,
    /// What is done is decided when its dependencies are known.
    Undecided,
    /// A run makes it.
    ToBuild,
    /// It was made by other code, so that a run makes it again.
    Stale,
    /// It is not where it should be.
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

    /// A word for formats that want a plain one: `to_build`.
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
    /// One with nothing but a name and a state.
    pub fn new(name: impl Into<String>, state: State) -> Self {
        Node {
            name: name.into(),
            detail: String::new(),
            state,
            tooltip: String::new(),
        }
    }

    /// With what tells it from others of its name.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// With what is shown when one points at it.
    #[must_use]
    pub fn tooltip(mut self, tooltip: impl Into<String>) -> Self {
        self.tooltip = tooltip.into();
        self
    }
}

impl Drawing {
    /// Adds a node, and says its number.
    pub fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Says that the first of these nodes goes into the second one. Once is enough; more often does no harm. What no plan
    /// has is not drawn: a node that goes into itself, a number that no node has, of a circle one connection.
    pub fn connect(&mut self, from: usize, into: usize) {
        self.edges.push((from, into));
    }

    /// The nodes, by their numbers.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The picture, with those in one box that are alike.
    pub fn grouped(&self, grouping: Grouping) -> Picture {
        let edges = order::acyclic(self.nodes.len(), &self.edges);
        grouping::picture(&self.nodes, &edges, grouping)
    }
}

/// What is drawn, box by box.
#[derive(Clone, Debug)]
pub struct Picture {
    pub(super) boxes: Vec<PictureBox>,
    /// From what goes in to what it goes into, sorted, each once. Boxes are numbered so that the first is the lower.
    pub(super) edges: Vec<(usize, usize)>,
}

/// One box of a picture: a node, or several that are alike.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PictureBox {
    /// The name of its nodes, without characters that would spoil a line.
    pub name: String,
    /// That of its one node. Empty if there are several.
    pub detail: String,
    /// How many of its nodes stand how.
    pub states: BTreeMap<State, usize>,
    /// That of its one node. Empty if there are several.
    pub tooltip: String,
    /// The numbers of its nodes.
    pub nodes: Vec<usize>,
}

impl PictureBox {
    /// Name and count: "train ×100".
    pub(super) fn title(&self) -> String {
        match self.nodes.len() {
            1 => self.name.clone(),
            count => format!("{} ×{}", self.name, number(count)),
        }
    }

    /// What is written in it, line by line, where a program that draws it decides how wide it becomes.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            self.short_title(LONGEST),
            self.detail.clone(),
            self.standing(),
        ];
        lines.retain(|line| !line.is_empty());
        lines
    }

    /// Its title in no more than `most` columns, with the whole count.
    pub(super) fn short_title(&self, most: usize) -> String {
        let title = self.title();
        let count = title.strip_prefix(&self.name).unwrap_or_default();
        let name = shortened(&self.name, most.saturating_sub(width(count)).max(1));
        shortened(&format!("{name}{count}"), most)
    }

    /// The states, with counts if there are several nodes: "60 reused, 40 to build".
    pub(super) fn standing(&self) -> String {
        match self.nodes.len() {
            1 => self.state().to_string(),
            _ => counts(&self.states),
        }
    }

    /// The most urgent of its states.
    pub(super) fn state(&self) -> State {
        let last = self.states.keys().next_back();
        last.copied().unwrap_or(State::Realized)
    }
}

impl Picture {
    /// The boxes, each after those that go into it.
    pub fn boxes(&self) -> &[PictureBox] {
        &self.boxes
    }

    /// What goes into what, by the boxes' numbers: sorted, each once.
    pub fn edges(&self) -> &[(usize, usize)] {
        &self.edges
    }

    /// How many nodes there are of each state.
    pub fn states(&self) -> BTreeMap<State, usize> {
        let mut states = BTreeMap::new();
        for (state, count) in self.boxes.iter().flat_map(|one| &one.states) {
            *states.entry(*state).or_default() += count;
        }
        states
    }

    /// In one line: "1,000 stages in 12 boxes: 600 reused, 400 to build".
    pub fn summary(&self) -> String {
        let states = self.states();
        let nodes: usize = states.values().sum();
        let mut text = format!("{} stage{}", number(nodes), plural(nodes));
        if nodes > self.boxes.len() {
            let boxes = self.boxes.len();
            text += &format!(
                " in {} box{}",
                number(boxes),
                if boxes == 1 { "" } else { "es" }
            );
        }
        if nodes > 0 {
            text += &format!(": {}", counts(&states));
        }
        text
    }

    /// For each box, those that go into it, and those that it goes into.
    pub(super) fn neighbours(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        order::neighbours(self.boxes.len(), &self.edges)
    }

    /// The states by which its boxes are coloured.
    pub(super) fn box_states(&self) -> BTreeSet<State> {
        self.boxes.iter().map(PictureBox::state).collect()
    }
}

fn counts(states: &BTreeMap<State, usize>) -> String {
    let each = states
        .iter()
        .map(|(state, count)| format!("{} {state}", number(*count)));
    each.collect::<Vec<_>>().join(", ")
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// With commas between thousands.
pub(super) fn number(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
