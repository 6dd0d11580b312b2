//! Assigns boxes to layers, so that each line goes from a layer to a later one, with bends in the layers between.
//!
//! This and its neighbours `crossings` and `coordinates` follow the scheme of Sugiyama, Tagawa and Toda, "Methods for
//! Visual Understanding of Hierarchical System Structures", 1981.

use super::order;

/// The maximum number of bends; beyond it, lines through layers are straight.
const MOST_BENDS: usize = 50_000;

/// The maximum number of boxes of a layer: those of a wider one are in several.
const MOST_BOXES: usize = 24;

/// Slots in layers.
pub(super) struct Layers {
    /// For each layer its slots, in order. The first slots are the boxes, by their numbers; the rest are bends.
    pub(super) layers: Vec<Vec<usize>>,
    /// The number of slots.
    pub(super) slots: usize,
    /// The segments from a slot to one in the next layer, without duplicates.
    pub(super) segments: Vec<(usize, usize)>,
    /// For each edge, the slots along it, including both boxes.
    pub(super) routes: Vec<Vec<usize>>,
}

impl Layers {
    /// Builds the layers of `count` boxes and sorted edges from lower numbers to higher ones.
    pub(super) fn of(count: usize, edges: &[(usize, usize)]) -> Self {
        let assigned = assigned(count, edges);
        let layer = wrapped(&assigned);
        let is_wrapped = layer != assigned;
        let (_, out) = order::neighbours(count, edges);
        let mut layers = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
        for (at, layer) in layer.iter().enumerate() {
            layers[*layer].push(at);
        }
        // Lines from one box share their bends.
        let farthest = |at: usize| {
            out[at]
                .iter()
                .map(|into| layer[*into])
                .max()
                .unwrap_or(layer[at] + 1)
        };
        let passed = |at: usize| layer[at] + 1..farthest(at);
        // Lines around the boxes of a layer that is in several would be as wide as it was.
        let bent =
            !is_wrapped && (0..count).map(|at| passed(at).len()).sum::<usize>() <= MOST_BENDS;
        let mut slots = count;
        let mut segments = Vec::new();
        let mut routes = Vec::with_capacity(edges.len());
        for at in 0..count {
            let mut way = vec![at];
            for passed in passed(at).take_while(|_| bent) {
                segments.push((way[way.len() - 1], slots));
                layers[passed].push(slots);
                way.push(slots);
                slots += 1;
            }
            for into in &out[at] {
                let steps = (layer[*into] - layer[at]).min(way.len());
                let mut route = way[..steps].to_vec();
                if layer[*into] - layer[at] == steps {
                    segments.push((route[steps - 1], *into));
                }
                route.push(*into);
                routes.push(route);
            }
        }
        Layers {
            layers,
            slots,
            segments,
            routes,
        }
    }
}

/// Returns the layer of each box: as early as possible, and later if that shortens more lines than it lengthens.
fn assigned(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = order::depths(count, edges);
    let (into, out) = order::neighbours(count, edges);
    for at in (0..layer.len()).rev() {
        if out[at].len() > into[at].len()
            && let Some(first) = out[at].iter().map(|into| layer[*into]).min()
        {
            layer[at] = first - 1;
        }
    }
    layer
}

/// Divides layers that are too wide.
fn wrapped(layer: &[usize]) -> Vec<usize> {
    let mut boxes = vec![0; layer.iter().max().map_or(0, |last| last + 1)];
    for at in layer {
        boxes[*at] += 1;
    }
    let mut first = 0;
    let firsts = boxes.iter().map(|boxes: &usize| {
        let parts = boxes.div_ceil(MOST_BOXES);
        // Of the same width, so that the last one is not nearly empty.
        let width = boxes.div_ceil(parts.max(1)).max(1);
        first += parts;
        (first - parts, width)
    });
    let firsts: Vec<_> = firsts.collect();
    let mut before = vec![0; boxes.len()];
    let divided = layer.iter().map(|at| {
        let (first, width) = firsts[*at];
        before[*at] += 1;
        first + (before[*at] - 1) / width
    });
    divided.collect()
}
