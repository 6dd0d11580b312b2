//! Orders each layer so that few lines cross.

use super::layers::Layers;
use super::order;

/// The number of sweeps over all layers; more sweeps change little.
const SWEEPS: usize = 12;

/// Orders the slots of each layer by the mean place of their neighbours, downwards and upwards by turns, and keeps the
/// order with the fewest crossings.
pub(super) fn reduce(layers: &mut Layers) {
    let (into, out) = order::neighbours(layers.slots, &layers.segments);
    let mut places = vec![0; layers.slots];
    for layer in &layers.layers {
        number(layer, &mut places);
    }
    let mut best = layers.layers.clone();
    let mut fewest = crossings(&best, &out, &places);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        let down = sweep % 2 == 0;
        let count = layers.layers.len();
        for step in 1..count {
            let (at, neighbours) = if down {
                (step, &into)
            } else {
                (count - 1 - step, &out)
            };
            let layer = &mut layers.layers[at];
            sort(layer, neighbours, &places);
            number(layer, &mut places);
        }
        let now = crossings(&layers.layers, &out, &places);
        if now < fewest {
            fewest = now;
            best.clone_from(&layers.layers);
        }
    }
    layers.layers = best;
}

fn number(layer: &[usize], places: &mut [usize]) {
    for (place, slot) in layer.iter().enumerate() {
        places[*slot] = place;
    }
}

/// Sorts a layer by the mean place of the neighbours; slots without neighbours stay.
fn sort(layer: &mut [usize], neighbours: &[Vec<usize>], places: &[usize]) {
    let mean = |slot: usize| {
        let all = &neighbours[slot];
        let sum: usize = all.iter().map(|next| places[*next]).sum();
        sum as f64 / all.len() as f64
    };
    let tied: Vec<usize> = layer
        .iter()
        .copied()
        .filter(|slot| !neighbours[*slot].is_empty())
        .collect();
    let mut sorted: Vec<(f64, usize)> = tied.into_iter().map(|slot| (mean(slot), slot)).collect();
    // A stable sort: slots with the same mean keep their order.
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut sorted = sorted.into_iter();
    for slot in layer {
        if !neighbours[*slot].is_empty()
            && let Some((_, next)) = sorted.next()
        {
            *slot = next;
        }
    }
}

/// Counts the pairs of segments that cross, with an accumulator tree: Barth, Jünger and Mutzel, "Simple and Efficient
/// Bilayer Cross Counting", 2002.
fn crossings(layers: &[Vec<usize>], out: &[Vec<usize>], places: &[usize]) -> usize {
    let mut crossings = 0;
    for (at, layer) in layers.iter().enumerate() {
        let below = layers.get(at + 1).map_or(0, Vec::len);
        let mut tree = vec![0; below + 1];
        let mut entered = 0;
        for slot in layer {
            let mut ends: Vec<usize> = out[*slot].iter().map(|next| places[*next]).collect();
            ends.sort_unstable();
            // Segments that begin before this one and end after it.
            crossings += ends
                .iter()
                .map(|end| entered - up_to(&tree, end + 1))
                .sum::<usize>();
            for end in &ends {
                enter(&mut tree, end + 1);
            }
            entered += ends.len();
        }
    }
    crossings
}

fn up_to(tree: &[usize], mut at: usize) -> usize {
    let mut sum = 0;
    while at > 0 {
        sum += tree[at];
        at &= at - 1;
    }
    sum
}

fn enter(tree: &mut [usize], mut at: usize) {
    while at < tree.len() {
        tree[at] += 1;
        at += at & at.wrapping_neg();
    }
}
