//! Groups nodes into boxes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::model::{Node, Picture, PictureBox};
use super::{order, text};

/// When similar nodes share a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grouping {
    /// Never: every node has its own box.
    Off,
    /// If there are more nodes than this, and only until at most this many boxes, and at most twice as many
    /// connections, are left. First, nodes of one name with
    /// identical neighbours share a box, then nodes with neighbours of the same names at the same depth, then all nodes of
    /// one name at one depth, then all nodes of one name, and finally nodes whose names differ only in their digits.
    Over(usize),
}

impl Default for Grouping {
    /// Returns `Over(40)`, about a screen.
    fn default() -> Self {
        Grouping::Over(40)
    }
}

/// Returns the picture of an acyclic graph.
pub(super) fn picture(nodes: &[Node], edges: &[(usize, usize)], grouping: Grouping) -> Picture {
    let alone: Vec<usize> = (0..nodes.len()).collect();
    let groups = match grouping {
        Grouping::Over(most) if nodes.len() > most => coarsened(nodes, edges, most),
        _ => alone,
    };
    merged(nodes, edges, &groups)
}

/// Returns the finest grouping with at most `most` boxes and not too many lines, or else the coarsest one.
fn coarsened(nodes: &[Node], edges: &[(usize, usize)], most: usize) -> Vec<usize> {
    let (into, out) = order::neighbours(nodes.len(), edges);
    let depths = order::depths(nodes.len(), edges);
    let named = |all: &[usize]| -> BTreeSet<&str> {
        all.iter().map(|at| nodes[*at].name.as_str()).collect()
    };
    let name = |at: usize| nodes[at].name.as_str();
    let ways: [&dyn Fn() -> Vec<usize>; 5] = [
        &|| numbered(nodes.len(), |at| (name(at), &into[at], &out[at])),
        &|| {
            numbered(nodes.len(), |at| {
                (name(at), depths[at], named(&into[at]), named(&out[at]))
            })
        },
        &|| numbered(nodes.len(), |at| (name(at), depths[at])),
        &|| unwound(nodes, edges, numbered(nodes.len(), name)),
        &|| unwound(nodes, edges, numbered(nodes.len(), |at| pattern(name(at)))),
    ];
    let mut groups = Vec::new();
    for way in ways {
        groups = way();
        let boxes = groups.iter().max().map_or(0, |last| last + 1);
        if boxes <= most && between(edges, &groups).len() <= 2 * most {
            break;
        }
    }
    groups
}

/// Numbers the keys of the nodes in the order of their first appearance.
fn numbered<K: Hash + Eq>(nodes: usize, key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut numbers = HashMap::new();
    (0..nodes)
        .map(|at| {
            let next = numbers.len();
            *numbers.entry(key(at)).or_insert(next)
        })
        .collect()
}

/// Replaces the digits in a name: `fold-#`.
fn pattern(name: &str) -> String {
    let mut pattern = String::new();
    for c in name.chars() {
        match c.is_ascii_digit() {
            true if pattern.ends_with('#') => {}
            true => pattern.push('#'),
            false => pattern.push(c),
        }
    }
    pattern
}

/// Merges groups that form a cycle, as alternating stages do.
fn unwound(nodes: &[Node], edges: &[(usize, usize)], groups: Vec<usize>) -> Vec<usize> {
    let count = groups.iter().max().map_or(0, |last| last + 1);
    let circles = circles(count, &between(edges, &groups));
    numbered(nodes.len(), |at| circles[groups[at]])
}

/// Returns the edges between groups, sorted, without duplicates.
fn between(edges: &[(usize, usize)], groups: &[usize]) -> Vec<(usize, usize)> {
    let between = edges
        .iter()
        .map(|(from, into)| (groups[*from], groups[*into]))
        .filter(|(from, into)| from != into);
    let between: BTreeSet<_> = between.collect();
    between.into_iter().collect()
}

/// Returns for each node the number of its strongly connected component, by Kosaraju's algorithm (Sharir,
/// "A strong-connectivity algorithm", 1981), without recursion.
fn circles(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let (_, out) = order::neighbours(nodes, edges);
    let mut circles = vec![usize::MAX; nodes];
    // In this reverse postorder, edges lead only into components that are already complete.
    for (number, root) in order::depth_first(nodes, edges)
        .into_iter()
        .rev()
        .enumerate()
    {
        let mut waiting = vec![root];
        while let Some(node) = waiting.pop() {
            if circles[node] == usize::MAX {
                circles[node] = number;
                waiting.extend(&out[node]);
            }
        }
    }
    circles
}

/// Merges groups into boxes, in drawing order.
fn merged(nodes: &[Node], edges: &[(usize, usize)], groups: &[usize]) -> Picture {
    let count = groups.iter().max().map_or(0, |last| last + 1);
    let edges: Vec<_> = edges
        .iter()
        .map(|(from, into)| (groups[*from], groups[*into]))
        .collect();
    let edges = order::acyclic(count, &edges);
    let order = order::depth_first(count, &edges);
    let places = order::places(&order);
    let mut members = vec![Vec::new(); count];
    for (node, group) in groups.iter().enumerate() {
        members[places[*group]].push(node);
    }
    let mut edges: Vec<_> = edges
        .iter()
        .map(|(from, into)| (places[*from], places[*into]))
        .collect();
    edges.sort_unstable();
    let boxes = members.into_iter().map(|members| one_box(nodes, members));
    Picture {
        boxes: boxes.collect(),
        edges,
    }
}

fn one_box(nodes: &[Node], members: Vec<usize>) -> PictureBox {
    let mut states = BTreeMap::new();
    for at in &members {
        *states.entry(nodes[*at].state).or_default() += 1;
    }
    let (detail, tooltip) = match members.as_slice() {
        [one] => (nodes[*one].detail.as_str(), nodes[*one].tooltip.as_str()),
        _ => ("", ""),
    };
    PictureBox {
        name: text::plain(&name(nodes, &members)),
        detail: text::plain(detail),
        states,
        tooltip: text::plain_lines(tooltip),
        nodes: members,
    }
}

/// Returns the name of a box: the common name of its nodes, else their common pattern, else the most frequent names.
fn name(nodes: &[Node], members: &[usize]) -> String {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut patterns: BTreeMap<String, usize> = BTreeMap::new();
    for at in members {
        *names.entry(&nodes[*at].name).or_default() += 1;
        *patterns.entry(pattern(&nodes[*at].name)).or_default() += 1;
    }
    if let (1, Some(name)) = (names.len(), names.keys().next()) {
        return (*name).to_owned();
    }
    let mut patterns: Vec<_> = patterns.into_iter().collect();
    patterns.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown: Vec<_> = patterns
        .iter()
        .take(3)
        .map(|(pattern, _)| pattern.as_str())
        .collect();
    let more = if patterns.len() > 3 { " + …" } else { "" };
    format!("{}{more}", shown.join(" + "))
}
