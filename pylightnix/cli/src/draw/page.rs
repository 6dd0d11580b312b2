//! Arranges the parts of a picture on one page.

use std::collections::BTreeMap;

use super::crossings;
use super::layers::Layers;
use super::layout::{Direction, GAP, Layout, Rectangle};
use super::model::Picture;

/// The margin of the page.
const MARGIN: f64 = 20.;
/// Pages wider than this are laid out to the right if that makes them narrower.
const WIDE: f64 = 1400.;

/// Lays out a picture downwards if that is not too wide, else to the right. Unconnected parts are side by
/// side, as many as fit the page.
pub(super) fn laid_out(picture: &Picture, sizes: &[(f64, f64)]) -> Layout {
    let parts = parts(picture);
    let layers: Vec<Layers> = parts.iter().map(Component::layers).collect();
    let going = |way: Direction| -> Vec<Layout> {
        let each = parts.iter().zip(&layers);
        each.map(|(part, layers)| Layout::going(way, layers, &part.sizes(sizes)))
            .collect()
    };
    let widest = |all: &[Layout]| all.iter().map(|part| part.width).fold(0., f64::max);
    let mut layouts = going(Direction::Down);
    if widest(&layouts) > WIDE {
        let right = going(Direction::Right);
        if widest(&right) < widest(&layouts) {
            layouts = right;
        }
    }
    joined(picture, &parts, layouts)
}

/// A connected component of the picture.
struct Component {
    boxes: Vec<usize>,
    /// The edges, by indexes into `boxes`.
    edges: Vec<(usize, usize)>,
}

impl Component {
    fn layers(&self) -> Layers {
        let mut layers = Layers::of(self.boxes.len(), &self.edges);
        crossings::reduce(&mut layers);
        layers
    }

    fn sizes(&self, all: &[(f64, f64)]) -> Vec<(f64, f64)> {
        self.boxes.iter().map(|at| all[*at]).collect()
    }
}

/// Returns the connected components of a picture, in the order of their first boxes.
fn parts(picture: &Picture) -> Vec<Component> {
    let (into, out) = picture.neighbours();
    let mut part_of = vec![usize::MAX; picture.boxes.len()];
    let mut count = 0;
    for first in 0..part_of.len() {
        if part_of[first] != usize::MAX {
            continue;
        }
        let mut waiting = vec![first];
        while let Some(at) = waiting.pop() {
            if part_of[at] == usize::MAX {
                part_of[at] = count;
                waiting.extend(into[at].iter().chain(&out[at]));
            }
        }
        count += 1;
    }
    let none = || Component {
        boxes: Vec::new(),
        edges: Vec::new(),
    };
    let mut parts: Vec<Component> = (0..count).map(|_| none()).collect();
    let mut place = Vec::with_capacity(part_of.len());
    for (at, part) in part_of.iter().enumerate() {
        place.push(parts[*part].boxes.len());
        parts[*part].boxes.push(at);
    }
    for (from, into) in &picture.edges {
        parts[part_of[*from]]
            .edges
            .push((place[*from], place[*into]));
    }
    parts
}

/// Arranges all parts on one page, line by line like words.
fn joined(picture: &Picture, parts: &[Component], layouts: Vec<Layout>) -> Layout {
    let nowhere = Rectangle {
        x: 0.,
        y: 0.,
        width: 0.,
        height: 0.,
    };
    let mut page = Layout {
        places: vec![nowhere; picture.boxes.len()],
        paths: Vec::new(),
        width: 0.,
        height: 0.,
    };
    let mut paths = BTreeMap::new();
    let (mut left, mut top, mut high) = (MARGIN, MARGIN, 0.);
    for (part, layout) in parts.iter().zip(layouts) {
        if left > MARGIN && left + layout.width > WIDE {
            (left, top, high) = (MARGIN, top + high + 2. * GAP, 0.);
        }
        for (at, place) in part.boxes.iter().zip(layout.places) {
            page.places[*at] = Rectangle {
                x: place.x + left,
                y: place.y + top,
                ..place
            };
        }
        for ((from, into), path) in part.edges.iter().zip(layout.paths) {
            let moved = path.into_iter().map(|(x, y)| (x + left, y + top));
            paths.insert((part.boxes[*from], part.boxes[*into]), moved.collect());
        }
        high = layout.height.max(high);
        page.width = (left + layout.width + MARGIN).max(page.width);
        left += layout.width + 2. * GAP;
    }
    page.height = top + high + MARGIN;
    page.paths = paths.into_values().collect();
    page
}
