//! Tables that fit the terminal.

use anstyle::Style;
use std::borrow::Cow;
use std::io::{self, Write};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::session::Session;
use crate::visible;

/// The space between two columns.
const GAP: usize = 2;
/// The minimum width of a column while optional columns can be left out.
const NARROW: usize = 10;
/// Without a terminal, the maximum width to which cells are padded; wider cells are printed whole.
const FILLED: usize = 32;
/// The minimum width of a column.
const NARROWEST: usize = 6;

/// A column.
#[derive(Clone)]
pub(crate) struct Column {
    heading: Cow<'static, str>,
    right: bool,
    shrinks: bool,
    optional: bool,
}

impl Column {
    /// Creates a left-aligned column, for text.
    pub(crate) const fn left(heading: &'static str) -> Self {
        Column {
            heading: Cow::Borrowed(heading),
            right: false,
            shrinks: false,
            optional: false,
        }
    }

    /// Creates a right-aligned column, for numbers.
    pub(crate) const fn right(heading: &'static str) -> Self {
        Column {
            heading: Cow::Borrowed(heading),
            right: true,
            shrinks: false,
            optional: false,
        }
    }

    /// Creates a column with a heading that is known only at run time; `right` for numbers.
    pub(crate) fn named(heading: &str, right: bool) -> Self {
        Column {
            heading: Cow::Owned(visible::line(heading).into_owned()),
            right,
            shrinks: false,
            optional: false,
        }
    }

    /// Marks the column as optional: it is left out if cutting others does not make enough space.
    pub(crate) const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Marks the column as shrinkable: its cells are cut if there is not enough space.
    pub(crate) const fn shrinks(mut self) -> Self {
        self.shrinks = true;
        self
    }
}

/// A cell: one line of text with a style.
#[derive(Clone, Default)]
pub(crate) struct Cell {
    text: String,
    style: Option<Style>,
}

impl Cell {
    /// Creates a cell with a style.
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Cell {
            text: in_one_line(text.into()),
            style: Some(style),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell {
            text: in_one_line(text.into()),
            style: None,
        }
    }
}

fn in_one_line(text: String) -> String {
    match visible::line(&text) {
        Cow::Owned(line) => line,
        Cow::Borrowed(_) => text,
    }
}

/// A table. Rows may be written in pieces: the first decides how wide the columns are.
pub(crate) struct Table<'s> {
    session: &'s Session,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// The widths, set by the first rows that are written; `None` for a column that is left out.
    widths: Option<Vec<Option<usize>>>,
}

impl<'s> Table<'s> {
    pub(crate) fn new(session: &'s Session, columns: impl Into<Vec<Column>>) -> Self {
        Table {
            session,
            columns: columns.into(),
            rows: Vec::new(),
            widths: None,
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Returns the number of rows that are not written yet.
    pub(crate) fn waiting(&self) -> usize {
        self.rows.len()
    }

    /// Writes the rows that were added since the last call; writes the headings first.
    pub(crate) fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if self.widths.is_none() {
            if rows.is_empty() {
                return Ok(());
            }
            self.widths = Some(self.fit(&rows));
            let headings = self.columns.iter();
            let headings: Vec<Cell> = headings
                .map(|column| Cell::styled(column.heading.as_ref(), crate::session::style::FAINT))
                .collect();
            self.line(&headings, out)?;
        }
        rows.iter().try_for_each(|row| self.line(row, out))
    }

    fn fit(&self, rows: &[Vec<Cell>]) -> Vec<Option<usize>> {
        let headings = self.columns.iter();
        let mut widths: Vec<usize> = headings.map(|column| column.heading.width()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        let Some(room) = self.session.width() else {
            let filled = widths.into_iter().map(|width| Some(width.min(FILLED)));
            return filled.collect();
        };
        let mut all: Vec<Option<usize>> = widths.into_iter().map(Some).collect();
        loop {
            let fitted = self.shrunk(all.clone(), room, NARROW);
            if taken(&fitted) <= room {
                return fitted;
            }
            let optional = self.columns.iter().zip(&mut all).rev();
            let mut optional =
                optional.filter(|(column, width)| column.optional && width.is_some());
            match optional.next() {
                Some((_, width)) => *width = None,
                None => return self.shrunk(all, room, NARROWEST),
            }
        }
    }

    /// Returns the number of columns that were left out.
    pub(crate) fn left_out(&self) -> usize {
        let widths = self.widths.iter().flatten();
        widths.filter(|width| width.is_none()).count()
    }

    /// Shrinks columns until the table fits, the widest one first.
    fn shrunk(
        &self,
        mut widths: Vec<Option<usize>>,
        room: usize,
        narrowest: usize,
    ) -> Vec<Option<usize>> {
        while taken(&widths) > room {
            let shrinking = self.columns.iter().zip(&mut widths);
            let shrinking = shrinking.filter(|(column, _)| column.shrinks);
            let widest = shrinking
                .filter_map(|(_, width)| width.as_mut().filter(|width| **width > narrowest))
                .max_by_key(|width| **width);
            match widest {
                Some(width) => *width -= 1,
                None => break,
            }
        }
        widths
    }

    fn line(&self, cells: &[Cell], out: &mut impl Write) -> io::Result<()> {
        let widths = self.widths.as_deref().unwrap_or_default();
        let shown = cells.iter().zip(&self.columns).zip(widths);
        let mut shown = shown
            .filter_map(|((cell, column), width)| Some((cell, column, (*width)?)))
            .peekable();
        while let Some((cell, column, width)) = shown.next() {
            let is_cut = column.shrinks && self.session.width().is_some();
            let text = match is_cut {
                true => cut(&cell.text, width),
                false => cell.text.clone(),
            };
            let pad = " ".repeat(width.saturating_sub(text.width()));
            if column.right {
                out.write_all(pad.as_bytes())?;
            }
            match cell.style {
                Some(style) => write!(out, "{}", self.session.paint(style, text))?,
                None => out.write_all(text.as_bytes())?,
            }
            if shown.peek().is_some() {
                if !column.right {
                    out.write_all(pad.as_bytes())?;
                }
                out.write_all(" ".repeat(GAP).as_bytes())?;
            }
        }
        writeln!(out)
    }
}

/// Returns the width of a row.
fn taken(widths: &[Option<usize>]) -> usize {
    let shown = widths.iter().flatten();
    let count = shown.clone().count();
    shown.sum::<usize>() + GAP * count.saturating_sub(1)
}

/// Cuts `text` to `width` columns, with a mark at the cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut room = width.saturating_sub(1);
    for letter in text.chars() {
        let wide = letter.width().unwrap_or(0);
        if wide > room {
            break;
        }
        room -= wide;
        cut.push(letter);
    }
    cut.push('…');
    cut
}
