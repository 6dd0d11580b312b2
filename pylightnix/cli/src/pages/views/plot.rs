//! Plots as SVG, drawn by the server, so that they are there without scripts.

use maud::{Markup, PreEscaped, html};
use std::fmt::Write as _;

use crate::text::number;

/// The size of a chart, in the units of its drawing.
const WIDTH: f64 = 640.;
const HEIGHT: f64 = 240.;
/// The room for the numbers of the axes.
const LEFT: f64 = 64.;
const BOTTOM: f64 = 26.;
const TOP: f64 = 10.;
const RIGHT: f64 = 12.;
/// The colours of lines, which the style sheet has.
const COLOURS: usize = 8;

/// The range of an axis.
#[derive(Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let range = finite.fold(None, |range: Option<(f64, f64)>, value| match range {
            Some((low, high)) => Some((low.min(value), high.max(value))),
            None => Some((value, value)),
        });
        let (low, high) = range.unwrap_or((0., 1.));
        match low == high {
            true => {
                let around = if low == 0. { 1. } else { low.abs() / 2. };
                Axis {
                    low: low - around,
                    high: high + around,
                }
            }
            false => Axis { low, high },
        }
    }

    /// Returns where a value is, from 0 to 1.
    fn place(self, value: f64) -> f64 {
        // Half of each, as the difference may be above the largest number.
        let (low, high) = (self.low / 2., self.high / 2.);
        ((value / 2. - low) / (high - low)).clamp(0., 1.)
    }

    /// Returns about `count` round numbers in the range.
    fn ticks(self, count: f64) -> Vec<f64> {
        let raw = (self.high - self.low) / count;
        if !raw.is_finite() || raw <= 0. {
            return vec![self.low, self.high];
        }
        let power = 10_f64.powf(raw.log10().floor());
        let step = [1., 2., 5., 10.].into_iter().map(|step| step * power);
        let step = step.into_iter().find(|step| *step >= raw).unwrap_or(raw);
        let first = (self.low / step).ceil();
        let ticks = (0..20).map(|at| (first + f64::from(at)) * step);
        ticks
            .take_while(|tick| *tick <= self.high + step * 1e-9)
            .collect()
    }
}

/// The area of a plot with two axes.
struct Area {
    x: Axis,
    y: Axis,
}

impl Area {
    fn point(&self, x: f64, y: f64) -> (f64, f64) {
        (
            LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - self.y.place(y) * (HEIGHT - BOTTOM - TOP),
        )
    }

    fn axes(&self) -> Markup {
        html! {
            g.axes {
                @for tick in self.y.ticks(4.) {
                    @let (_, y) = self.point(self.x.low, tick);
                    line x1=(LEFT) x2=(WIDTH - RIGHT) y1=(short(y)) y2=(short(y)) {}
                    text x=(LEFT - 6.) y=(short(y + 4.)) text-anchor="end" { (number(tick)) }
                }
                @for tick in self.x.ticks(6.) {
                    @let (x, _) = self.point(tick, self.y.low);
                    text x=(short(x)) y=(HEIGHT - 8.) text-anchor="middle" { (number(tick)) }
                }
            }
        }
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        let mut is_down = false;
        for (x, y) in points {
            if !x.is_finite() || !y.is_finite() {
                is_down = false;
                continue;
            }
            let (left, top) = self.point(*x, *y);
            let word = if is_down { 'L' } else { 'M' };
            let _ = write!(path, "{word}{},{}", short(left), short(top));
            is_down = true;
        }
        path
    }
}

fn short(value: f64) -> f64 {
    (value * 10.).round() / 10.
}

fn framed(label: &str, inside: &Markup) -> Markup {
    html! {
        svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="group" aria-label=(label) { (inside) }
    }
}

/// A line over its steps.
pub(super) fn chart(name: &str, points: &[(f64, f64)]) -> Markup {
    let area = Area {
        x: Axis::of(points.iter().map(|point| point.0)),
        y: Axis::of(points.iter().map(|point| point.1)),
    };
    let label = format!("Chart of {name}");
    framed(
        &label,
        &html! { (area.axes()) path class="line c0" d=(area.path(points)) {} },
    )
}

/// A line without axes, as small as a word.
pub(super) fn sparkline(values: &[f64]) -> Markup {
    let axis = Axis::of(values.iter().copied());
    let last = values.len().saturating_sub(1).max(1) as f64;
    let mut path = String::new();
    let mut is_down = false;
    for (at, value) in values.iter().enumerate() {
        if !value.is_finite() {
            is_down = false;
            continue;
        }
        let (x, y) = (1. + at as f64 / last * 78., 17. - axis.place(*value) * 14.);
        let word = if is_down { 'L' } else { 'M' };
        let _ = write!(path, "{word}{},{}", short(x), short(y));
        is_down = true;
    }
    html! { svg.spark viewBox="0 0 80 20" aria-hidden="true" { path d=(path) {} } }
}

/// Points that a line goes through.
type Points<'a> = &'a [(f64, f64)];

/// Many lines over their steps, each with what it is called and its address.
pub(super) fn overlaid(label: &str, lines: &[(String, String, Points<'_>)]) -> Markup {
    let all = || lines.iter().flat_map(|(_, _, points)| points.iter());
    let area = Area {
        x: Axis::of(all().map(|point| point.0)),
        y: Axis::of(all().map(|point| point.1)),
    };
    framed(
        label,
        &html! {
            (area.axes())
            @for (at, (title, to, points)) in lines.iter().enumerate() {
                a href=(to) aria-label=(title) { path class={ "line c" (at % COLOURS) } d=(area.path(points)) { title { (title) } } }
            }
        },
    )
}

/// Points with what they are called and their addresses.
pub(super) fn scatter(label: &str, points: &[(String, String, f64, f64)]) -> Markup {
    let area = Area {
        x: Axis::of(points.iter().map(|point| point.2)),
        y: Axis::of(points.iter().map(|point| point.3)),
    };
    framed(
        label,
        &html! {
            (area.axes())
            @for (title, to, x, y) in points {
                @let (left, top) = area.point(*x, *y);
                a href=(to) aria-label=(title) { circle cx=(short(left)) cy=(short(top)) r="4" { title { (title) } } }
            }
        },
    )
}

/// Lines over parallel axes.
pub(super) fn parallel(
    label: &str,
    axes: &[String],
    lines: &[(String, String, &[Option<f64>])],
) -> Markup {
    let of = |at: usize| {
        Axis::of(
            lines
                .iter()
                .filter_map(move |(_, _, line)| line.get(at).copied().flatten()),
        )
    };
    let ranges: Vec<Axis> = (0..axes.len()).map(of).collect();
    let room = WIDTH - 2. * LEFT;
    let left = |at: usize| LEFT + at as f64 / axes.len().saturating_sub(1).max(1) as f64 * room;
    let top = |at: usize, value: f64| {
        HEIGHT - BOTTOM - ranges[at].place(value) * (HEIGHT - BOTTOM - 2. * TOP)
    };
    let path = |line: &[Option<f64>]| {
        let mut path = String::new();
        let mut is_down = false;
        for (at, value) in line.iter().enumerate() {
            let Some(value) = value else {
                is_down = false;
                continue;
            };
            let word = if is_down { 'L' } else { 'M' };
            let _ = write!(path, "{word}{},{}", short(left(at)), short(top(at, *value)));
            is_down = true;
        }
        path
    };
    framed(
        label,
        &html! {
            g.over {
                @for (title, to, line) in lines {
                    a href=(to) aria-label=(title) { path class="line c0" d=(path(line)) { title { (title) } } }
                }
            }
            g.axes {
                @for (at, name) in axes.iter().enumerate() {
                    line x1=(short(left(at))) x2=(short(left(at))) y1=(2. * TOP) y2=(HEIGHT - BOTTOM) {}
                    text x=(short(left(at))) y=(HEIGHT - 4.) text-anchor="middle" { (name) }
                    text x=(short(left(at) + 4.)) y=(2. * TOP - 4.) { (number(ranges[at].high)) }
                    text x=(short(left(at) + 4.)) y=(HEIGHT - BOTTOM - 4.) { (number(ranges[at].low)) }
                }
            }
        },
    )
}

/// A matrix as an image, from dark at its lowest number to bright at its highest.
pub(super) fn heat(label: &str, width: usize, values: &[f64]) -> Markup {
    let axis = Axis::of(values.iter().copied());
    let height = values.len() / width.max(1);
    let mut bytes = Vec::with_capacity(values.len() * 4);
    for value in values {
        bytes.extend(match value.is_finite() {
            true => heat_colour(axis.place(*value)),
            false => [0, 0, 0, 0],
        });
    }
    let image = png_of(width, height, &bytes).unwrap_or_default();
    html! {
        figure.heat {
            img src={ "data:image/png;base64," (PreEscaped(image)) } alt=(label) width=(width) height=(height);
            figcaption { "from " (number(axis.low)) " (dark) to " (number(axis.high)) " (bright)" }
        }
    }
}

fn png_of(width: usize, height: usize, bytes: &[u8]) -> Option<String> {
    use base64::Engine as _;
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(bytes).ok()?;
    writer.finish().ok()?;
    Some(base64::engine::general_purpose::STANDARD.encode(file))
}

/// Returns the colour of a place between 0 and 1: five points of the map viridis, and what is between them.
fn heat_colour(place: f64) -> [u8; 4] {
    const POINTS: [[f64; 3]; 5] = [
        [68., 1., 84.],
        [59., 82., 139.],
        [33., 145., 140.],
        [94., 201., 98.],
        [253., 231., 37.],
    ];
    let at = place * 4.;
    let (low, rest) = (at.floor().clamp(0., 3.), at - at.floor().clamp(0., 3.));
    let (one, other) = (POINTS[low as usize], POINTS[low as usize + 1]);
    let mix = |channel: usize| (one[channel] * (1. - rest) + other[channel] * rest).round() as u8;
    [mix(0), mix(1), mix(2), 255]
}
