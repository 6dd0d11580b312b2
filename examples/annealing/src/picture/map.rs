//! The left plot: the function with the trace of the run, and the colour key.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::raster::{FINER, place, px};
use super::scale::{Scale, number};
use super::{BOX, FAINT, Failure, INK, LABELS, LEFT, PLOT, STAR, Sheet, Trace, energy, star, text};

/// The number of contours between the lowest and the highest energy.
const CONTOURS: f64 = 24.0;

/// The side of the small map of the whole box, in pixels.
const OVERVIEW: u32 = 140;

pub(super) fn draw(sheet: &Sheet<'_>, run: &Trace, scale: &Scale) -> Result<(), Failure> {
    let (top, side) = PLOT;
    let area = sheet.clone().shrink(
        place(LEFT.0, top),
        (px(LABELS.0 + side), px(side + LABELS.1)),
    );
    let near = run.near();
    let mut chart = ChartBuilder::on(&area)
        .set_label_area_size(LabelAreaPosition::Left, px(LABELS.0))
        .set_label_area_size(LabelAreaPosition::Bottom, px(LABELS.1))
        .build_cartesian_2d(-near..near, -near..near)?;
    chart.draw_series(BitMapElement::with_owned_buffer(
        (-near, near),
        (px(side), px(side)),
        paint(run, scale, near, px(side), 1.0)?,
    ))?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(FAINT.stroke_width(px(1)))
        .set_all_tick_mark_size(px(5))
        .x_labels(11)
        .y_labels(11)
        .x_label_formatter(&|x| number(*x, 0))
        .y_label_formatter(&|y| number(*y, 0))
        .label_style(text(15, INK))
        .axis_desc_style(text(18, INK))
        .x_desc("x")
        .y_desc("y")
        .draw()?;
    draw_overview(sheet, run, scale, near)?;
    draw_marks(sheet)
}

/// Draws the legend of the marks above the map.
fn draw_marks(sheet: &Sheet<'_>) -> Result<(), Failure> {
    let (x, y) = (LEFT.0 + LABELS.0 + 8, PLOT.0 - 16);
    for (radius, color) in [(7, INK), (5, WHITE)] {
        sheet.draw(&Circle::new(place(x, y), px(radius), color.filled()))?;
    }
    let star = Polygon::new(star(STAR[1].0), STAR[1].1.filled());
    sheet.draw(&(EmptyElement::at(place(x + 80, y)) + star))?;
    let words = text(15, INK).pos(Pos::new(HPos::Left, VPos::Center));
    sheet.draw_text("start", &words, place(x + 14, y + 2))?;
    sheet.draw_text("best", &words, place(x + 97, y + 2))?;
    Ok(())
}

/// Draws the whole box in a corner of the map, for moves that leave the map.
fn draw_overview(sheet: &Sheet<'_>, run: &Trace, scale: &Scale, near: f64) -> Result<(), Failure> {
    let side = px(OVERVIEW);
    let (left, top) = place(
        LEFT.0 + LABELS.0 + PLOT.1 - 14 - OVERVIEW,
        PLOT.0 + PLOT.1 - 14 - OVERVIEW,
    );
    let frame = |at: (i32, i32), side: i32| {
        Rectangle::new([at, (at.0 + side, at.1 + side)], WHITE.stroke_width(px(1)))
    };
    let pixels = paint(run, scale, *BOX.end(), side, 0.5)?;
    if let Some(map) = BitMapElement::<_>::with_owned_buffer((left, top), (side, side), pixels) {
        sheet.draw(&map)?;
    }
    let side = side as i32;
    sheet.draw(&frame((left, top), side))?;
    let part = near / BOX.end();
    let inset = (f64::from(side) * (1.0 - part) / 2.0) as i32;
    let covered = (f64::from(side) * part) as i32;
    sheet.draw(&frame((left + inset, top + inset), covered))?;
    let words = text(14, WHITE).pos(Pos::new(HPos::Left, VPos::Bottom));
    sheet.draw_text("the whole box", &words, (left, top - px(5) as i32))?;
    Ok(())
}

/// Draws the function within `reach` of the middle, with the trace, in a square with a side of `side` supersampled pixels;
/// `thick` is the size of its marks.
fn paint(
    run: &Trace,
    scale: &Scale,
    reach: f64,
    side: u32,
    thick: f64,
) -> Result<Vec<u8>, Failure> {
    let mut pixels = colors(run, scale, reach, side);
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (side, side)).into_drawing_area();
        let pixel = |at: f64| ((at + reach) / (2.0 * reach) * f64::from(side)) as i32;
        let place = |(x, y): (f64, f64)| (pixel(x), pixel(-y));
        let length = |length: f64| (length * thick * f64::from(FINER)).round() as u32;

        let mut way: Vec<_> = run.xs[..=run.moves()].iter().copied().map(place).collect();
        way.dedup();
        for step in way.windows(2) {
            let line = WHITE.mix(0.35).stroke_width(length(1.0));
            area.draw(&PathElement::new(step, line))?;
        }
        for at in &way {
            area.draw(&Circle::new(*at, length(2.0), WHITE.mix(0.8).filled()))?;
        }
        for (radius, color) in [(7.5, INK), (5.5, WHITE)] {
            area.draw(&Circle::new(
                place(run.xs[0]),
                length(radius),
                color.filled(),
            ))?;
        }
        for (size, color) in STAR {
            let star = Polygon::new(star(size * thick), color.filled());
            area.draw(&(EmptyElement::at(place(run.xs[run.best])) + star))?;
        }
        area.present()?;
    }
    Ok(pixels)
}

/// Returns the colours of the function with its contours, as RGB bytes.
fn colors(run: &Trace, scale: &Scale, reach: f64, side: u32) -> Vec<u8> {
    let at = |pixel: u32| (2.0 * (f64::from(pixel) + 0.5) / f64::from(side) - 1.0) * reach;
    let line = |line: u32| -> Vec<f64> {
        (0..=side)
            .map(|column| scale.part(energy(&run.params, [at(column), -at(line)])))
            .collect()
    };
    let mut pixels = Vec::with_capacity(3 * side as usize * side as usize);
    let mut below = line(0);
    for row in 1..=side {
        let here = std::mem::replace(&mut below, line(row));
        for column in 0..side as usize {
            let part = here[column];
            let slope = (here[column + 1] - part).hypot(below[column] - part);
            let level = part * CONTOURS;
            // The distance to the nearest contour, in supersampled pixels.
            let far = (level - level.round()).abs() / (slope * CONTOURS).max(f64::MIN_POSITIVE);
            let light = if far < 0.4 * f64::from(FINER) {
                0.8
            } else {
                1.0
            };
            let RGBColor(red, green, blue) = color(part);
            pixels.extend([red, green, blue].map(|byte| (light * f64::from(byte)) as u8));
        }
    }
    pixels
}

fn color(part: f64) -> RGBColor {
    ViridisRGB::get_color(part as f32)
}

/// Draws the colour key.
pub(super) fn draw_key(sheet: &Sheet<'_>, scale: &Scale) -> Result<(), Failure> {
    const WIDTH: u32 = 18;
    const LABEL: u32 = 60;
    let (top, height) = PLOT;
    let area = sheet.clone().shrink(
        place(LEFT.0 + LABELS.0 + height + 18, top),
        (px(WIDTH + LABEL), px(height)),
    );
    let mut chart = ChartBuilder::on(&area)
        .set_label_area_size(LabelAreaPosition::Right, px(LABEL))
        .build_cartesian_2d(0.0..1.0, scale.clone())?;
    let part = |step: u32| f64::from(step) / f64::from(height);
    chart.draw_series((0..height).map(|step| {
        let corners = [
            (0.0, scale.energy(part(step))),
            (1.0, scale.energy(part(step + 1))),
        ];
        Rectangle::new(corners, color(part(step)).filled())
    }))?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(FAINT.stroke_width(px(1)))
        .set_all_tick_mark_size(px(5))
        .label_style(text(15, INK))
        .draw()?;
    let words = text(15, INK).pos(Pos::new(HPos::Left, VPos::Center));
    sheet.draw_text(
        "energy",
        &words,
        place(LEFT.0 + LABELS.0 + height + 18, top - 14),
    )?;
    Ok(())
}
