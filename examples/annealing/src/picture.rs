//! The picture of a run: its trace on the function, and its energy over time.
//!
//! It is drawn with `plotters`, with the font of the crate `dejavu`, so that it does not depend on installed fonts, and
//! encoded with `png`.

use std::error::Error;
use std::f64::consts::PI;
use std::path::Path;

use ndarray::{ArrayView1, ArrayView2};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use self::raster::{FINER, place, px};
use self::scale::{Scale, number};
use crate::function::{BOX, Params, energy, params};

mod descent;
mod map;
mod raster;
mod scale;

/// The size of the picture, in pixels.
const SIZE: (u32, u32) = (1600, 760);
/// The origin and the height of the two plots, in pixels.
const PLOT: (u32, u32) = (122, 560);
/// The space for labels to the left of a plot and below it.
const LABELS: (u32, u32) = (60, 56);
/// The left ends of the labels of the map and of the right plot, in pixels.
const LEFT: (u32, u32) = (24, 742);

const INK: RGBColor = RGBColor(0x26, 0x2b, 0x33);
const FAINT: RGBColor = RGBColor(0x6b, 0x72, 0x7d);
const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);
const STATE: RGBColor = RGBColor(0x7d, 0x93, 0xab);
const BEST: RGBColor = RGBColor(0xe6, 0x39, 0x46);

type Failure = Box<dyn Error + Send + Sync>;
type Sheet<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws a run of the function with the given parameters into a PNG file at `path`: on the left its trace on the function,
/// on the right its energy after each move. `xs` and `fs` are those of [`Run`](crate::minimise::Run).
///
/// Equal runs give equal files.
///
/// # Errors
/// Fails if the parameters or the trace are invalid, or if the file cannot be written.
pub(crate) fn draw(
    path: &Path,
    values: &[f64],
    xs: ArrayView2<'_, f64>,
    fs: ArrayView1<'_, f64>,
) -> Result<(), Failure> {
    let run = Trace::new(params(values)?, xs, fs)?;
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular())
        .and_then(|()| register_font("sans-serif", FontStyle::Bold, dejavu::sans::bold()))
        .map_err(|_| "the font of the crate dejavu cannot be read")?;

    let size = raster::fine_size();
    let mut pixels = vec![255; 3 * size.0 as usize * size.1 as usize];
    {
        let sheet = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        let scale = run.scale();
        headline(&sheet, &run)?;
        map::draw(&sheet, &run, &scale)?;
        map::draw_key(&sheet, &scale)?;
        descent::draw(&sheet, &run)?;
        sheet.present()?;
    }
    raster::write(path, &raster::mean(&pixels)).map_err(|error| {
        format!("the picture {} cannot be written: {error}", path.display()).into()
    })
}

/// The run to draw, validated.
struct Trace {
    params: Params,
    xs: Vec<(f64, f64)>,
    fs: Vec<f64>,
    /// The first row with the lowest energy.
    best: usize,
}

impl Trace {
    fn new(
        params: Params,
        xs: ArrayView2<'_, f64>,
        fs: ArrayView1<'_, f64>,
    ) -> Result<Self, Failure> {
        if xs.dim() != (fs.len(), 2) {
            let (rows, columns) = xs.dim();
            let rows_wanted = fs.len();
            return Err(format!(
                "a run of {rows_wanted} energies has an array of {rows_wanted} x 2 for its points, not {rows} x {columns}"
            )
            .into());
        }
        if !xs.iter().chain(&fs).all(|number| number.is_finite()) {
            return Err("the run has a number that is not finite".into());
        }
        let xs = xs.rows().into_iter().map(|at| (at[0], at[1])).collect();
        let fs = fs.to_vec();
        let best = (0..fs.len())
            .min_by(|a, b| fs[*a].total_cmp(&fs[*b]))
            .ok_or("the run is empty: it has not even a start")?;
        Ok(Self {
            params,
            xs,
            fs,
            best,
        })
    }

    /// Returns the number of moves, without the start and the final return to the best point.
    fn moves(&self) -> usize {
        self.fs.len().saturating_sub(2)
    }

    /// Returns the range of the map from the middle of the box: slightly more than the wells and the start.
    fn near(&self) -> f64 {
        let (start_x, start_y) = self.xs[0];
        let [.., h, i, _, k, l, _] = self.params;
        let furthest = [start_x, start_y, h, i, k, l]
            .into_iter()
            .map(f64::abs)
            .fold(0.0, f64::max);
        (furthest + 2.0).min(*BOX.end())
    }

    /// Returns the colour scale for all energies on the map.
    fn scale(&self) -> Scale {
        const SIDE: i32 = 100;
        let at = |i: i32| self.near() * f64::from(i) / f64::from(SIDE);
        let grid = (-SIDE..=SIDE).flat_map(|i| (-SIDE..=SIDE).map(move |j| [at(i), at(j)]));
        let best = self.fs[self.best];
        Scale::of(grid.map(|at| energy(&self.params, at)).chain([best]))
    }
}

fn headline(sheet: &Sheet<'_>, run: &Trace) -> Result<(), Failure> {
    let (x, y) = run.xs[run.best];
    let found = format!(
        "Lowest energy {} at ({}, {})",
        number(run.fs[run.best], 5),
        number(x, 4),
        number(y, 4)
    );
    let rows = &run.xs[..=run.moves()];
    let accepted = rows.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let how = format!(
        "Simulated annealing: {} moves tried, {accepted} accepted, the best point found by move {}",
        run.moves(),
        run.best
    );
    let bold = ("sans-serif", px(30), FontStyle::Bold).into_font();
    sheet.draw_text(&found, &bold.color(&INK), place(LEFT.0 + LABELS.0, 24))?;
    sheet.draw_text(&how, &text(18, FAINT), place(LEFT.0 + LABELS.0, 64))?;
    Ok(())
}

fn text(size: u32, color: RGBColor) -> TextStyle<'static> {
    ("sans-serif", px(size)).into_font().color(&color)
}

/// Returns the corners, relative to the centre, of the star that marks the best point; `size` in pixels.
fn star(size: f64) -> Vec<(i32, i32)> {
    let corners = (0..10).map(|corner| {
        let length = f64::from(FINER) * if corner % 2 == 0 { size } else { 0.45 * size };
        let (sin, cos) = (f64::from(corner) * PI / 5.0).sin_cos();
        (
            (length * sin).round() as i32,
            (-length * cos).round() as i32,
        )
    });
    corners.collect()
}

/// The sizes and colours of a star's outline and inside.
const STAR: [(f64, RGBColor); 2] = [(15.0, WHITE), (11.0, BEST)];

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use ndarray::{Array1, Array2};

    use super::*;
    use crate::function::PAPER;
    use crate::minimise::minimise;

    #[test]
    fn equal_runs_make_equal_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let run = minimise(&PAPER, 50, 1).unwrap();
        let drawn = ["a.png", "b.png"].map(|name| {
            let path = folder.path().join(name);
            draw(&path, &PAPER, run.xs.view(), run.fs.view()).unwrap();
            std::fs::read(path).unwrap()
        });
        assert!(drawn[0] == drawn[1]);
        let header = png::Decoder::new(std::io::Cursor::new(&drawn[0]))
            .read_info()
            .unwrap();
        assert_eq!(header.info().size(), SIZE);
    }

    #[test]
    fn what_is_no_run_is_not_drawn() {
        let path = Path::new("no such folder").join("plot.png");
        let says = |xs: Array2<f64>, fs: Array1<f64>| {
            let drawn = draw(&path, &PAPER, xs.view(), fs.view());
            drawn.unwrap_err().to_string()
        };
        let (xs, fs) = (Array2::zeros((22, 2)), Array1::zeros(22));
        assert!(says(xs.clone(), Array1::zeros(21)).contains("21 x 2 for its points, not 22 x 2"));
        assert!(says(xs.clone(), &fs + f64::NAN).contains("not finite"));
        assert!(says(Array2::zeros((0, 2)), Array1::zeros(0)).contains("empty"));
        assert!(says(xs, fs).contains("plot.png"));
    }
}
