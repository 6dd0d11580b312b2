//! Lays out the boxes and lines of a connected part.

use super::coordinates;
use super::layers::Layers;

/// The gap between neighbours in a layer.
pub(super) const GAP: f64 = 18.;
/// The gap between layers.
const STEP: f64 = 46.;
/// The space of a line in a layer that it passes.
const LINE: f64 = 6.;

/// A line: its start, and then five points for each layer that it reaches. The line is straight to the first point, a curve
/// to the fourth with the second and the third as control points, and straight to the last.
pub(super) type Path = Vec<(f64, f64)>;

/// The rectangle of a box on the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rectangle {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The places of boxes and lines.
pub(super) struct Layout {
    pub(super) places: Vec<Rectangle>,
    /// The path of each edge.
    pub(super) paths: Vec<Path>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The direction of lines.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Down,
    Right,
}

impl Direction {
    /// Converts a position along and across the layers to x and y.
    fn point(self, along: f64, across: f64) -> (f64, f64) {
        match self {
            Direction::Down => (across, along),
            Direction::Right => (along, across),
        }
    }
}

impl Layout {
    pub(super) fn going(way: Direction, layers: &Layers, sizes: &[(f64, f64)]) -> Self {
        let boxes = sizes.len();
        // `point` is its own inverse: it also converts a size.
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
        // The box is centred in its layer.
        let span = |at: usize| {
            let (start, end) = bands[at];
            let spare = (end - start - along(at)) / 2.;
            (start + spare, end - spare)
        };
        let place = |at: usize| {
            let (x, y) = way.point(span(at).0, middles[at] - across(at) / 2.);
            let (width, height) = sizes[at];
            Rectangle {
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
            Waypoint {
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

/// The point of a line at a layer.
struct Waypoint {
    across: f64,
    /// The start and the end of the layer.
    band: (f64, f64),
    /// Where an arriving line ends: at its box, or for a bend at the end of the layer.
    enter: f64,
    /// Where a leaving line begins.
    leave: f64,
}

/// Returns a path that is straight within layers and curved between them.
fn path(way: Direction, stops: impl Iterator<Item = Waypoint>) -> Path {
    let mut path = Vec::new();
    let mut last: Option<Waypoint> = None;
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
