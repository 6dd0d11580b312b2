//! The right plot: the energy after each move, and the lowest energy so far.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::raster::{place, px};
use super::scale::{Scale, number};
use super::{
    BEST, FAINT, Failure, GRID, INK, LABELS, LEFT, PLOT, SIZE, STAR, STATE, Sheet, Trace, star,
    text,
};

/// The space to the right of it.
const RIGHT: u32 = 36;

pub(super) fn draw(sheet: &Sheet<'_>, run: &Trace) -> Result<(), Failure> {
    let (top, height) = PLOT;
    let area = sheet.clone().shrink(
        place(LEFT.1, top),
        (px(SIZE.0 - LEFT.1 - RIGHT), px(height + LABELS.1)),
    );
    let moves = run.moves().max(1) as f64;
    let mut chart = ChartBuilder::on(&area)
        .set_label_area_size(LabelAreaPosition::Left, px(LABELS.0))
        .set_label_area_size(LabelAreaPosition::Bottom, px(LABELS.1))
        .build_cartesian_2d(0.0..moves, Scale::of(run.fs.iter().copied()))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(px(1)))
        .axis_style(FAINT.stroke_width(px(1)))
        .set_all_tick_mark_size(px(5))
        .x_label_formatter(&|x| number(*x, 0))
        .label_style(text(15, INK))
        .axis_desc_style(text(18, INK))
        .x_desc("move")
        .y_desc("energy")
        .draw()?;

    let states = || {
        let rows = run.fs[..=run.moves()].iter().enumerate();
        rows.map(|(row, f)| (row as f64, *f))
    };
    chart.draw_series(LineSeries::new(states(), STATE.stroke_width(px(1))))?;
    let mut lowest = run.fs[0];
    let steps = states().flat_map(|(row, f)| {
        let before = lowest;
        lowest = lowest.min(f);
        [(row, before), (row, lowest)]
    });
    chart.draw_series(LineSeries::new(steps, BEST.stroke_width(px(2))))?;
    let best = (run.best as f64, run.fs[run.best]);
    for (size, color) in STAR {
        let star = Polygon::new(star(size), color.filled());
        chart.draw_series([EmptyElement::at(best) + star])?;
    }
    legend(sheet)
}

/// Draws the legend above the plot, because inside it would cover lines.
fn legend(sheet: &Sheet<'_>) -> Result<(), Failure> {
    let lines = [
        (
            LEFT.1 + LABELS.0,
            STATE.stroke_width(px(1)),
            "after each move",
        ),
        (
            LEFT.1 + LABELS.0 + 190,
            BEST.stroke_width(px(2)),
            "lowest so far",
        ),
    ];
    for (x, line, what) in lines {
        let y = PLOT.0 - 16;
        sheet.draw(&PathElement::new([place(x, y), place(x + 28, y)], line))?;
        let words = text(15, INK).pos(Pos::new(HPos::Left, VPos::Center));
        sheet.draw_text(what, &words, place(x + 36, y + 2))?;
    }
    Ok(())
}
