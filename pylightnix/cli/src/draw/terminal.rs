//! Writes a picture as lines of text.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};

use super::lanes::{self, Row};
use super::model::{Picture, PictureBox, State};
use super::text::{cut, shortened, width};

/// The minimum width of a drawing.
const LEAST: usize = 20;
/// The width that is reserved for words beside the lines.
const WORDS: usize = 24;
/// The maximum number of lanes: more cannot be followed by eye.
const LANES: usize = 12;
/// The maximum width of lanes up to which all words begin in the same column.
const ALIGNED: usize = 16;
/// The maximum width of names up to which all states begin in the same column.
const NAMES: usize = 40;

impl Picture {
    /// Writes text for a terminal of `width` columns, a line for each box. Dependencies are above a box and joined
    /// to it by lines. If there would be too many lanes, each box has a number instead, and lists the numbers of its
    /// dependencies.
    pub fn terminal(&self, width: usize, colours: bool) -> String {
        let pen = Pen {
            width: width.max(LEAST),
            colours,
        };
        let lanes = pen.width.saturating_sub(WORDS) / 2;
        match lanes::rows(self, lanes.min(LANES)) {
            Some(rows) => joined(self, &rows, &pen),
            None => listed(self, &pen),
        }
    }
}

struct Pen {
    width: usize,
    colours: bool,
}

impl Pen {
    fn paint(&self, style: Style, text: &str) -> String {
        match self.colours && !text.is_empty() && style != Style::new() {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }
}

/// The words beside the symbol of a box, as far as they fit.
struct BoxText {
    title: String,
    detail: String,
    standing: String,
}

impl BoxText {
    fn of(one: &PictureBox, room: usize) -> Self {
        let title = one.short_title(room);
        let left = room - width(&title);
        let standing = if left > 4 {
            cut(&one.standing(), left - 2)
        } else {
            String::new()
        };
        let left = left - width(&standing);
        let detail = if left > 6 {
            shortened(&one.detail, left - 3)
        } else {
            String::new()
        };
        BoxText {
            title,
            detail,
            standing,
        }
    }

    /// Returns the width of name and detail.
    fn head(&self) -> usize {
        width(&self.title)
            + if self.detail.is_empty() {
                0
            } else {
                1 + width(&self.detail)
            }
    }

    /// Formats the line with the state in this column, if the other words leave room.
    fn line(&self, pen: &Pen, state: State, column: usize) -> String {
        let mut line = pen.paint(Style::new().bold(), &self.title);
        if !self.detail.is_empty() {
            line += " ";
            line += &pen.paint(Style::new().dimmed(), &self.detail);
        }
        if !self.standing.is_empty() {
            line += &" ".repeat(2 + column.saturating_sub(self.head()));
            line += &pen.paint(style(state), &self.standing);
        }
        line
    }
}

fn joined(picture: &Picture, rows: &[Row], pen: &Pen) -> String {
    let widest = rows.iter().map(|row| row.lanes.len()).max().unwrap_or(0);
    let indent = |row: &Row| row.lanes.len().max(widest.min(ALIGNED));
    let words: BTreeMap<usize, BoxText> = rows
        .iter()
        .filter_map(|row| {
            let (at, _) = row.symbol?;
            let room = pen.width - indent(row) - 1;
            Some((at, BoxText::of(&picture.boxes[at], room)))
        })
        .collect();
    let column = words
        .values()
        .map(BoxText::head)
        .max()
        .unwrap_or(0)
        .min(NAMES);
    let mut text = String::new();
    for row in rows {
        text += &line(picture, row, indent(row), &words, column, pen);
        text.push('\n');
    }
    text
}

fn line(
    picture: &Picture,
    row: &Row,
    indent: usize,
    words: &BTreeMap<usize, BoxText>,
    column: usize,
    pen: &Pen,
) -> String {
    let lines = |from: usize, to: usize| -> String { row.lanes[from..to].iter().collect() };
    let dim = |text: String| pen.paint(Style::new().dimmed(), &text);
    let Some((at, symbol)) = row.symbol else {
        return dim(lines(0, row.lanes.len()));
    };
    let state = picture.boxes[at].state();
    let Some(words) = words.get(&at) else {
        return String::new();
    };
    let room = pen.width - indent - 1;
    // The state has to fit the line.
    let column = column.min(room.saturating_sub(2 + width(&words.standing)));
    let blanks = " ".repeat(indent + 1 - row.lanes.len());
    let mut line = dim(lines(0, symbol));
    line += &pen.paint(style(state), self::symbol(state));
    line += &dim(lines(symbol + 1, row.lanes.len()));
    line += &blanks;
    line += &words.line(pen, state, column);
    line
}

/// Lists the boxes with numbers instead of lines.
fn listed(picture: &Picture, pen: &Pen) -> String {
    let (into, _) = picture.neighbours();
    let digits = picture.boxes.len().to_string().len();
    let indent = digits + 3;
    let room = pen.width - indent;
    let words: Vec<_> = picture
        .boxes
        .iter()
        .map(|one| BoxText::of(one, room))
        .collect();
    let column = words
        .iter()
        .map(BoxText::head)
        .max()
        .unwrap_or(0)
        .min(NAMES);
    let mut text = String::new();
    for (at, (one, words)) in picture.boxes.iter().zip(&words).enumerate() {
        let state = one.state();
        let column = column.min(room.saturating_sub(2 + width(&words.standing)));
        let number = pen.paint(Style::new().dimmed(), &format!("{:>digits$}", at + 1));
        let symbol = pen.paint(style(state), symbol(state));
        let line = words.line(pen, state, column);
        text += &format!("{number} {symbol} {line}\n");
        for line in wrapped(&ranges(&into[at]), pen.width - indent - 2) {
            let blanks = " ".repeat(indent);
            text += &format!("{blanks}{}\n", pen.paint(Style::new().dimmed(), &line));
        }
    }
    text
}

/// Formats sorted numbers, counted from one, with ranges: "3–7".
fn ranges(numbers: &[usize]) -> Vec<String> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for number in numbers.iter().map(|at| at + 1) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let text = |(first, last)| match last - first {
        0 => format!("{first}"),
        1 => format!("{first}, {last}"),
        _ => format!("{first}–{last}"),
    };
    ranges.into_iter().map(text).collect()
}

/// Wraps the numbers of dependencies into lines of at most `most` columns and an arrow.
fn wrapped(ranges: &[String], most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for range in ranges {
        match lines.last_mut() {
            Some(line) if width(line) + 2 + width(range) < most + 2 => {
                line.push_str(", ");
                line.push_str(range);
            }
            Some(line) => {
                line.push(',');
                lines.push(format!("  {range}"));
            }
            None => lines.push(format!("← {range}")),
        }
    }
    lines
}

fn symbol(state: State) -> &'static str {
    match state {
        State::Realized | State::Reused => "●",
        State::Undecided => "◌",
        State::ToBuild => "○",
        State::Stale => "◐",
        State::Missing => "?",
        State::Failed => "✗",
    }
}

fn style(state: State) -> Style {
    let colour = match state {
        State::Realized | State::Reused => AnsiColor::Green,
        State::Undecided => AnsiColor::Cyan,
        State::ToBuild => AnsiColor::Yellow,
        State::Stale => AnsiColor::Magenta,
        State::Missing | State::Failed => AnsiColor::Red,
    };
    colour.on_default()
}
