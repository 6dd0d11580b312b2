//! The energy axis: linear near zero and logarithmic far from it, so that both the wells and the walls are visible.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// An axis for a range of energies.
#[derive(Clone)]
pub(super) struct Scale {
    heights: Range<f64>,
}

impl Scale {
    /// Creates an axis for these energies, with a margin at the lower end.
    pub(super) fn of(energies: impl IntoIterator<Item = f64>) -> Self {
        let (least, most) = energies
            .into_iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), f| {
                (least.min(f), most.max(f))
            });
        Self {
            heights: least.asinh() - 0.25..most.asinh() + 0.05,
        }
    }

    /// Returns the position of an energy on the axis: 0 at the lower end, 1 at the upper end.
    pub(super) fn part(&self, energy: f64) -> f64 {
        (energy.asinh() - self.heights.start) / (self.heights.end - self.heights.start)
    }

    /// Returns the energy at a position from 0 to 1.
    pub(super) fn energy(&self, part: f64) -> f64 {
        (self.heights.start + part * (self.heights.end - self.heights.start)).sinh()
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, energy: &f64, (start, end): (i32, i32)) -> i32 {
        start + (self.part(*energy) * f64::from(end - start)).round() as i32
    }

    /// Powers of ten and three times those, which are about equally spaced on this axis.
    fn key_points<H: KeyPointHint>(&self, _hint: H) -> Vec<f64> {
        let digits = (0..300).flat_map(|power| [1.0, 3.0].map(|digit| digit * 10f64.powi(power)));
        let mut points: Vec<f64> = digits.flat_map(|mark| [mark, -mark]).collect();
        points.push(0.0);
        points.retain(|mark| self.heights.contains(&mark.asinh()));
        points.sort_by(f64::total_cmp);
        points
    }

    fn range(&self) -> Range<f64> {
        self.heights.start.sinh()..self.heights.end.sinh()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format(energy: &f64) -> String {
        number(*energy, 0)
    }
}

/// Formats a number with a true minus sign, which is as wide as a plus, and without a sign for zero.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.trim_matches(['0', '.']).is_empty() => digits.to_owned(),
        Some(digits) => format!("\u{2212}{digits}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::coord::ranged1d::BoldPoints;

    #[test]
    fn marks_round_energies() {
        let scale = Scale::of([-3.4, 92.0]);
        let marks = scale.key_points(BoldPoints(10));
        assert_eq!(marks, [-3.0, -1.0, 0.0, 1.0, 3.0, 10.0, 30.0]);
        for mark in marks {
            assert!((scale.energy(scale.part(mark)) - mark).abs() < 1e-9);
        }
    }

    #[test]
    fn numbers_are_written_as_in_print() {
        assert_eq!(number(-3.408, 2), "\u{2212}3.41");
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(number(30.0, 0), "30");
    }
}
