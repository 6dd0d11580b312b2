//! Simulated annealing (Kirkpatrick, Gelatt and Vecchi, 1983) of the paper's function.
//!
//! The paper uses SciPy's `dual_annealing`. This uses `SimulatedAnnealing` of the crate `basin`. Compared with `argmin`, the
//! best known optimiser in Rust, it has fewer dependencies, none of them unmaintained (as `paste` is), accepts moves by the
//! Metropolis rule, and is driven step by step, so that a trace needs no shared state.

use std::error::Error;
use std::f64::consts::TAU;

use basin::core::rng::{ChaCha8Rng, RngExt};
use basin::{CostFunction, Executor, Neighbor, SimulatedAnnealing, State, TemperatureSchedule};
use ndarray::{Array1, Array2};

use crate::function::{BOX, Params, START, energy, params};

/// The number of moves in one iteration: `dual_annealing`'s chains have two for each dimension.
const MOVES: u64 = 4;
/// The number of coolings: after a single one, a run is often still in the first well that it met.
const COOLINGS: u64 = 25;
/// The temperature, in units of energy, at the start of a cooling: high enough to cross from any well to another.
const HOT: f64 = 30.0;
/// The temperature at the end of a cooling: the remaining noise in the energy.
const COLD: f64 = 1e-3;
/// The scale of a move's length at temperature 1. It is proportional to the square root of the temperature, as the width of
/// a bowl is to that of the height above its bottom.
const STRIDE: f64 = 0.3;

/// The result of [`minimise`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    /// The trace: a row `[x, y]` for the start, one after each move (equal to the previous one if the move was rejected),
    /// and a last one for the best point.
    pub(crate) xs: Array2<f64>,
    /// The energy at each row of `xs`; the last one is the lowest.
    pub(crate) fs: Array1<f64>,
    /// The best point, `[x, y]`: the last row of `xs`.
    pub(crate) best: Array1<f64>,
}

/// Returns a random seed from the operating system.
///
/// # Errors
/// Fails if the operating system provides no random numbers.
pub(crate) fn fresh_seed() -> Result<u64, Box<dyn Error + Send + Sync>> {
    getrandom::u64()
        .map_err(|error| format!("the operating system gives no random seed: {error}").into())
}

/// Minimises the function with the given parameters, in `maxiter` iterations of four moves.
///
/// Equal arguments give equal results. With a [`fresh_seed`], each run finds another energy.
///
/// # Errors
/// Fails if the parameters are invalid, or give an energy that is not finite.
pub(crate) fn minimise(
    values: &[f64],
    maxiter: u64,
    seed: u64,
) -> Result<Run, Box<dyn Error + Send + Sync>> {
    let landscape = Landscape(params(values)?);
    let moves = maxiter.saturating_mul(MOVES);
    // Every run ends cold, however short it is.
    let cooling = moves.div_ceil(COOLINGS).max(1);
    let schedule = TemperatureSchedule::geometric((COLD / HOT).powf(1.0 / cooling as f64));
    let solver =
        SimulatedAnnealing::new(Wanderer, HOT, schedule, seed).with_reannealing_fixed(cooling);

    let mut run = Executor::from_start(landscape, solver, START)
        .max_iter(moves)
        .into_stepper()?;
    let mut xs = vec![*run.state().param()];
    let mut fs = vec![run.state().cost()];
    for _ in 0..moves {
        run.step()?;
        xs.push(*run.state().param());
        fs.push(run.state().cost());
    }

    let (lowest, best) = fs
        .iter()
        .copied()
        .zip(xs.iter().copied())
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .unwrap_or((fs[0], xs[0]));
    xs.push(best);
    fs.push(lowest);
    Ok(Run {
        xs: Array2::from(xs),
        fs: Array1::from(fs),
        best: Array1::from(best.to_vec()),
    })
}

/// The function as the solver sees it.
struct Landscape(Params);

impl CostFunction for Landscape {
    type Param = [f64; 2];
    type Output = f64;
    type Error = Box<dyn Error + Send + Sync>;

    fn cost(&self, at: &[f64; 2]) -> Result<f64, Self::Error> {
        let energy = energy(&self.0, *at);
        // NaN compares with nothing: a run would continue and find nothing.
        if !energy.is_finite() {
            let [x, y] = at;
            return Err(format!(
                "the energy at ({x}, {y}) is {energy}: the function's parameters are too large"
            )
            .into());
        }
        Ok(energy)
    }
}

/// Moves in a random direction by a normally distributed length, reflected at the boundary.
#[derive(Clone)]
struct Wanderer;

impl Neighbor<[f64; 2]> for Wanderer {
    type Error = Box<dyn Error + Send + Sync>;

    fn propose(
        &mut self,
        from: &[f64; 2],
        temperature: f64,
        rng: &mut ChaCha8Rng,
    ) -> Result<[f64; 2], Self::Error> {
        // The transform of Box and Muller (1958); one minus, because the logarithm of 0 is undefined.
        let normal = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let length = STRIDE * temperature.sqrt() * normal;
        let (sin, cos) = (TAU * rng.random::<f64>()).sin_cos();
        Ok([
            mirror(from[0] + length * cos),
            mirror(from[1] + length * sin),
        ])
    }
}

/// Reflects a coordinate at the boundary, as often as necessary.
fn mirror(at: f64) -> f64 {
    let (low, width) = (*BOX.start(), BOX.end() - BOX.start());
    let way = (at - low).rem_euclid(2.0 * width);
    low + way.min(2.0 * width - way)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::function::PAPER;

    #[test]
    fn a_seed_makes_a_run() {
        let run = minimise(&PAPER, 500, 7).unwrap();
        assert_eq!(run, minimise(&PAPER, 500, 7).unwrap());
        assert_ne!(run, minimise(&PAPER, 500, 8).unwrap());
    }

    #[test]
    fn the_trace_tells_the_whole_run() {
        for (seed, maxiter) in [(1, 0), (2, 1), (3, 500)] {
            let run = minimise(&PAPER, maxiter, seed).unwrap();
            let rows = 4 * maxiter as usize + 2;
            assert_eq!(run.xs.dim(), (rows, 2));
            assert_eq!(run.fs.len(), rows);
            assert_eq!(run.xs.row(0), Array1::from(START.to_vec()));
            for (at, f) in run.xs.rows().into_iter().zip(&run.fs) {
                assert!(at.iter().all(|x| BOX.contains(x)));
                assert_eq!(energy(&PAPER, [at[0], at[1]]), *f);
            }
        }
    }

    #[test]
    fn goes_on_to_the_end() {
        let run = minimise(&PAPER, 500, 4).unwrap();
        let last = run.xs.rows().into_iter().skip(1900);
        assert!(
            last.collect::<Vec<_>>()
                .windows(2)
                .any(|rows| rows[0] != rows[1])
        );
    }

    #[test]
    fn the_best_is_the_lowest_of_the_trace() {
        for seed in 0..20 {
            let run = minimise(&PAPER, 500, seed).unwrap();
            let lowest = run.fs.iter().copied().fold(f64::INFINITY, f64::min);
            assert_eq!(run.fs[run.fs.len() - 1], lowest);
            assert_eq!(energy(&PAPER, [run.best[0], run.best[1]]), lowest);
        }
    }

    #[test]
    fn most_runs_find_the_minimum_and_each_another_energy() {
        let mut lowest: Vec<f64> = (0..40)
            .map(|seed| minimise(&PAPER, 500, seed).unwrap())
            .map(|run| run.fs[run.fs.len() - 1])
            .collect();
        let below = |bound: f64| lowest.iter().filter(|f| **f < bound).count();
        // The lowest point of the other well is -3.3027, and that of the bowl 1.6166.
        assert!(below(-3.4) >= 28, "{lowest:?}");
        assert!(below(-3.2) >= 38, "{lowest:?}");
        lowest.sort_by(f64::total_cmp);
        lowest.dedup();
        assert_eq!(lowest.len(), 40);
    }

    #[test]
    fn never_answers_nan() {
        let mut huge = PAPER;
        huge[0] = 1e308;
        let error = minimise(&huge, 500, 1).unwrap_err().to_string();
        assert!(error.contains("too large"), "{error}");
        assert!(minimise(&[f64::NAN; 13], 500, 1).is_err());
    }

    #[test]
    fn walls_mirror() {
        assert_eq!(mirror(10.5), 9.5);
        assert_eq!(mirror(-12.0), -8.0);
        assert_eq!(mirror(51.0), 9.0);
        assert_eq!(mirror(3.25), 3.25);
    }
}
