//! The function to minimise: a tilted bowl with two narrow wells in it.
//!
//! It is the example that SciPy's documentation of `scipy.optimize.brute` minimises, and the one of
//! Pylightnix's quick start. With the paper's parameters its lowest point is
//! `f(-1.0567, 1.8083) = -3.40858`, in a well so narrow that going downhill from most places misses it.

use std::error::Error;
use std::ops::RangeInclusive;

/// The range of both `x` and `y`, as in Pylightnix's quick start.
pub(crate) const BOX: RangeInclusive<f64> = -10.0..=10.0;

/// The start of every run, as in Pylightnix's quick start.
pub(crate) const START: [f64; 2] = [2.0, 2.0];

/// The parameters: `a` to `l`, then `scale`.
pub(crate) type Params = [f64; 13];

/// Converts a slice, such as that of a loaded array.
///
/// # Errors
/// Fails unless there are 13 finite numbers, of which the last, `scale`, is positive.
pub(crate) fn params(values: &[f64]) -> Result<Params, Box<dyn Error + Send + Sync>> {
    let params = Params::try_from(values).map_err(|_| {
        format!(
            "the function has 13 parameters (a to l, then scale), but {} are given",
            values.len()
        )
    })?;
    if let Some((i, bad)) = params.iter().enumerate().find(|(_, p)| !p.is_finite()) {
        return Err(format!("parameter {i} of the function is {bad}, not a finite number").into());
    }
    if params[12] <= 0.0 {
        return Err(format!(
            "the last parameter, scale, is {}, not above zero",
            params[12]
        )
        .into());
    }
    Ok(params)
}

/// Returns the value of the function at `(x, y)`; lower is better.
pub(crate) fn energy(params: &Params, [x, y]: [f64; 2]) -> f64 {
    let &[a, b, c, d, e, f, g, h, i, j, k, l, scale] = params;
    let bowl = a * x * x + b * x * y + c * y * y + d * x + e * y + f;
    let well = |depth: f64, at_x: f64, at_y: f64| {
        -depth * (-((x - at_x).powi(2) + (y - at_y).powi(2)) / scale).exp()
    };
    bowl + well(g, h, i) + well(j, k, l)
}

/// The parameters of the paper.
#[cfg(test)]
pub(crate) const PAPER: Params = [2., 3., 7., 8., 9., 10., 44., -1., 2., 26., 1., -2., 0.5];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn has_the_known_minimum() {
        // The result in the documentation of scipy.optimize.brute.
        let known = [-1.05665192, 1.80834843];
        assert!((energy(&PAPER, known) - -3.4085818767).abs() < 1e-9);
        for (dx, dy) in [(1e-3, 0.), (-1e-3, 0.), (0., 1e-3), (0., -1e-3)] {
            assert!(energy(&PAPER, [known[0] + dx, known[1] + dy]) > energy(&PAPER, known));
        }
    }

    #[test]
    fn refuses_parameters_that_make_no_function() {
        let says = |values: &[f64]| params(values).unwrap_err().to_string();
        assert!(says(&PAPER[1..]).contains("12 are given"));
        let with = |i: usize, value: f64| {
            let mut changed = PAPER;
            changed[i] = value;
            changed
        };
        assert!(says(&with(3, f64::NAN)).contains("parameter 3"));
        assert!(says(&with(12, 0.0)).contains("scale"));
        assert_eq!(params(&PAPER).unwrap(), PAPER);
    }
}
