//! Assigns coordinates to the slots of each layer.

use super::layers::Layers;
use super::order;

/// The number of sweeps over all layers; more sweeps change little.
const SWEEPS: usize = 16;
/// The weight of straight bends, relative to centred boxes.
const STRAIGHT: f64 = 4.;
/// The weight that keeps a slot in its place if it has no neighbours on one side.
const STAY: f64 = 0.1;

/// Returns the centre of each slot across the layers, for slots of these sizes with this gap between them. Each is as near
/// to the mean of its neighbours as its layer allows.
pub(super) fn middles(
    layers: &Layers,
    boxes: usize,
    size: impl Fn(usize) -> f64,
    gap: f64,
) -> Vec<f64> {
    let (into, out) = order::neighbours(layers.slots, &layers.segments);
    let apart = |one: usize, next: usize| (size(one) + size(next)) / 2. + gap;
    let mut middles = vec![0.; layers.slots];
    for layer in &layers.layers {
        for pair in layer.windows(2) {
            middles[pair[1]] = middles[pair[0]] + apart(pair[0], pair[1]);
        }
    }
    let count = layers.layers.len();
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        for step in 0..count {
            let at = if down { step } else { count - 1 - step };
            let layer = &layers.layers[at];
            let wishes = layer.iter().map(|slot| {
                let near = if down { &into[*slot] } else { &out[*slot] };
                // The last sweeps use both sides, so that the drawing does not lean.
                let other: &[usize] = match sweep + 4 > SWEEPS {
                    true if down => &out[*slot],
                    true => &into[*slot],
                    false => &[],
                };
                let all = near.iter().chain(other).map(|next| middles[*next]);
                let known = near.len() + other.len();
                match known {
                    0 => (middles[*slot], STAY),
                    _ if *slot >= boxes => (all.sum::<f64>() / known as f64, STRAIGHT),
                    _ => (all.sum::<f64>() / known as f64, 1.),
                }
            });
            let wishes: Vec<(f64, f64)> = wishes.collect();
            let offsets = offsets(layer, apart);
            for (slot, middle) in layer.iter().zip(nearest(&wishes, &offsets)) {
                middles[*slot] = middle;
            }
        }
    }
    middles
}

/// Returns the distance of each slot from the first one in the tightest placement.
fn offsets(layer: &[usize], apart: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut offset = 0.;
    let mut offsets = Vec::with_capacity(layer.len());
    for (at, slot) in layer.iter().enumerate() {
        if at > 0 {
            offset += apart(layer[at - 1], *slot);
        }
        offsets.push(offset);
    }
    offsets
}

/// Returns the places with at least these offsets that minimize the weighted squared distances from the wishes, by isotonic
/// regression by pooling adjacent violators (Ayer et al., "An Empirical Distribution Function for Sampling with
/// Incomplete Information", 1955).
fn nearest(wishes: &[(f64, f64)], offsets: &[f64]) -> Vec<f64> {
    // Sum of weighted wishes, sum of weights, number of slots.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for ((wish, weight), offset) in wishes.iter().zip(offsets) {
        let mut pool = ((wish - offset) * weight, *weight, 1);
        while let Some(before) = pools.pop_if(|before| before.0 / before.1 >= pool.0 / pool.1) {
            pool = (before.0 + pool.0, before.1 + pool.1, before.2 + pool.2);
        }
        pools.push(pool);
    }
    let level = pools
        .into_iter()
        .flat_map(|(sum, weight, many)| std::iter::repeat_n(sum / weight, many));
    level
        .zip(offsets)
        .map(|(level, offset)| level + offset)
        .collect()
}
