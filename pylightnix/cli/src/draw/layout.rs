//! Where boxes and lines are that are joined to each other.

use super::coordinates;
use super::layers::Layers;

/// Between neighbours in a layer.
pub(super) const GAP: f64 = 18.;
/// Between layers.
const STEP: f64 = 46.;
/// What a line takes of a layer that it passes.
const LINE: f64 = 6.;

/// A line: where it begins, and then for each layer that it reaches five points. To the first of them it is straight, to
/// the fourth a curve with the second and the third as its handles, to the last one straight.
pub(super) type Path = Vec<(f64, f64)>;

/// A box on the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Boxes and lines in their places.
pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    /// For each edge, in their order.
    pub(super) paths: Vec<Path>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Which way lines go.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Down,
    Right,
}

impl Way {
    /// Along and across the layers, as x and y.
    fn point(self, along: f64, across: f64) -> (f64, f64) {
        match self {
            Way::Down => (across, along),
            Way::Right => (along, across),
        }
    }
}

impl Layout {
    pub(super) fn going(way: Way, layers: &Layers, sizes: &[(f64, f64)]) -> Self {
        let boxes = sizes.len();
        // Turning a size gives what it takes along the layers, and across.
        let along = |at: usize| way.point(sizes[at].0, sizes[at].1).0;
        let across = |slot: usize| {
            sizes
                .get(slot)
                .map_or(LINE, |size| way.point(size.0, size.1).1)
        };
        let mut middles = coordinates::middles(layers, boxes, across, GAP);
        let edges = |sign: f64| {
            let edge = move |(at, middle): (usize, &f64)| middle + sign * across(at) / 2.;
            middles.iter().enumerate().map(edge)
        };
        let first = edges(-1.).fold(f64::INFINITY, f64::min);
        let last = edges(1.).fold(first, f64::max);
        for middle in &mut middles {
            *middle -= first;
        }
        let mut bands = vec![(0., 0.); layers.slots];
        let mut end = 0.;
        for (at, layer) in layers.layers.iter().enumerate() {
            let thick = layer
                .iter()
                .filter(|slot| **slot < boxes)
                .map(|slot| along(*slot));
            let start = if at == 0 { 0. } else { end + STEP };
            end = start + thick.fold(0., f64::max);
            for slot in layer {
                bands[*slot] = (start, end);
            }
        }
        let (width, height) = way.point(end, last - first);
        // In the middle of its layer.
        let span = |at: usize| {
            let (start, end) = bands[at];
            let spare = (end - start - along(at)) / 2.;
            (start + spare, end - spare)
        };
        let place = |at: usize| {
            let (x, y) = way.point(span(at).0, middles[at] - across(at) / 2.);
            let (width, height) = sizes[at];
            Place {
                x,
                y,
                width,
                height,
            }
        };
        let stop = |slot: usize| {
            let (enter, leave) = if slot < boxes {
                span(slot)
            } else {
                (bands[slot].1, bands[slot].1)
            };
            Stop {
                across: middles[slot],
                band: bands[slot],
                enter,
                leave,
            }
        };
        let route = |route: &Vec<usize>| path(way, route.iter().map(|slot| stop(*slot)));
        Layout {
            places: (0..boxes).map(place).collect(),
            paths: layers.routes.iter().map(route).collect(),
            width,
            height,
        }
    }
}

/// Where a line meets a layer.
struct Stop {
    across: f64,
    /// Where its layer begins and ends.
    band: (f64, f64),
    /// Up to where a line goes that arrives: its box, or, where it bends, the end of the layer.
    enter: f64,
    /// From where a line goes that leaves.
    leave: f64,
}

/// Straight within layers, where boxes are, and curved between them.
fn path(way: Way, stops: impl Iterator<Item = Stop>) -> Path {
    let mut path = Vec::new();
    let mut last: Option<Stop> = None;
    for stop in stops {
        if let Some(last) = last {
            let (from, to) = (last.band.1, stop.band.0);
            let half = (from + to) / 2.;
            if path.is_empty() {
                path.push(way.point(last.leave, last.across));
            }
            path.extend([
                way.point(from, last.across),
                way.point(half, last.across),
                way.point(half, stop.across),
                way.point(to, stop.across),
                way.point(stop.enter, stop.across),
            ]);
        }
        last = Some(stop);
    }
    path
}
