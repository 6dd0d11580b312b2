//! The realizations of a stage as a table, sorted and filtered in the language of `compare`, with plots of its columns.

use std::collections::BTreeSet;

use super::{Progress, Query, Reader};
use crate::exit::CommandResult;
use pylightnix::config::RRefId;
use pylightnix::store::{Cell, Column, ColumnKind, Comparison, Row};

/// The number of rows of a page.
pub(crate) const ROWS: usize = 100;
/// The number of rows of a block of data.
pub(crate) const BLOCK: usize = 1000;
/// The number of columns that are shown unless some are chosen.
const COLUMNS: usize = 12;
/// The most lines of a plot.
const LINES: usize = 500;
/// The most points of a scatter plot that are drawn one by one.
const POINTS: usize = 2000;

/// A page of the table of a stage.
pub(crate) struct StageTable {
    pub(crate) name: String,
    /// How many realizations there are, and how many meet the conditions.
    pub(crate) all: usize,
    pub(crate) matching: usize,
    /// The number of the page, from 0, and of the first row on it.
    pub(crate) page: usize,
    pub(crate) pages: usize,
    /// The columns with whether they are shown.
    pub(crate) columns: Vec<(Column, bool)>,
    /// The columns that are shown, with the rows of the page.
    pub(crate) shown: Comparison,
    /// Columns of numbers, and of series.
    pub(crate) numbers: Vec<String>,
    pub(crate) series: Vec<String>,
    pub(crate) plot: Option<Plot>,
    /// What is wrong with the conditions.
    pub(crate) fault: Option<String>,
    pub(crate) left_out: Vec<String>,
    /// How far it is read, until it is whole.
    pub(crate) progress: Option<Progress>,
}

/// A plot of the rows that match.
pub(crate) enum Plot {
    /// Two numbers of each.
    Scatter {
        x: String,
        y: String,
        points: Vec<Point>,
        /// How many rows have both numbers.
        of: usize,
    },
    /// A series of each.
    Overlaid {
        series: String,
        lines: Vec<(RRefId, Vec<(f64, f64)>)>,
        of: usize,
    },
    /// Many numbers of each, as a line over parallel axes.
    Parallel {
        axes: Vec<String>,
        lines: Vec<(RRefId, Vec<Option<f64>>)>,
        of: usize,
    },
}

/// A realization in a scatter plot.
pub(crate) struct Point {
    pub(crate) rref: RRefId,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

impl StageTable {
    pub(crate) fn read(reader: &Reader, name: &str, query: &Query) -> CommandResult<Self> {
        let kept = reader.tables.of_name(reader, name)?;
        if kept.table.rows.is_empty() && kept.left_out.is_empty() {
            let error = pylightnix::Error::new(
                pylightnix::ErrorKind::Missing,
                format!("the store has no realization of a stage `{name}`"),
            );
            return Err(error.into());
        }
        let mut table = kept.table.clone();
        let all = table.rows.len();
        let fault = arranged(&mut table, query).err();
        let chosen: BTreeSet<&str> = query.all("col").collect();
        let is_shown = |at: usize, column: &Column| match chosen.is_empty() {
            true => is_usual(at, column),
            false => chosen.contains(column.name.as_str()),
        };
        let columns = in_order(&table.columns);
        let columns = columns.iter().enumerate();
        let columns: Vec<_> = columns
            .map(|(at, column)| ((*column).clone(), is_shown(at, column)))
            .collect();
        let (numbers, series) = plottable(&table);
        let plot = Plot::of(&table, query, &numbers);
        let matching = table.rows.len();
        let pages = matching.div_ceil(ROWS).max(1);
        let page = query.number("page", 1).clamp(1, pages) - 1;
        table.rows.truncate((page + 1) * ROWS);
        table.rows.drain(..(page * ROWS).min(table.rows.len()));
        let names = columns.iter().filter(|(_, shown)| *shown);
        let names: Vec<&str> = names.map(|(column, _)| column.name.as_str()).collect();
        table.choose(&names)?;
        Ok(StageTable {
            name: name.to_owned(),
            all,
            matching,
            page,
            pages,
            columns,
            shown: table,
            numbers,
            series,
            plot,
            // A column may still come.
            fault: fault
                .filter(|_| kept.progress.is_none())
                .map(|error| format!("{error:?}")),
            left_out: kept.left_out.clone(),
            progress: kept.progress,
        })
    }

    /// Returns the number of the first row of the page.
    pub(crate) fn first(&self) -> usize {
        self.page * ROWS
    }
}

/// All rows of a stage, in blocks.
pub(crate) struct StageRows {
    pub(crate) name: String,
    pub(crate) columns: Vec<ColumnOf>,
    rows: Vec<Row>,
}

/// A column of all rows.
pub(crate) struct ColumnOf {
    pub(crate) column: Column,
    /// The place of its cells in the rows.
    pub(crate) at: usize,
    /// Whether it is shown unless columns are chosen.
    pub(crate) is_usual: bool,
    /// Whether its cells are numbers.
    pub(crate) is_number: bool,
}

impl StageRows {
    /// Reads the rows, the newest first.
    pub(crate) fn read(reader: &Reader, name: &str) -> CommandResult<Self> {
        let mut table = reader.tables.of_name(reader, name)?.table.clone();
        table.rows.reverse();
        let columns = in_order(&table.columns).into_iter().enumerate();
        let columns = columns.map(|(place, column)| {
            let at = table.columns.iter().position(|one| one == column);
            let at = at.unwrap_or_default();
            let mut cells = table.rows.iter().filter_map(|row| row.cells[at].as_ref());
            let is_number = |cell: &Cell| matches!(cell, Cell::Value(value) if value.is_number());
            ColumnOf {
                column: column.clone(),
                at,
                is_usual: is_usual(place, column),
                is_number: column.kind != ColumnKind::Built && cells.all(is_number),
            }
        });
        Ok(StageRows {
            name: name.to_owned(),
            columns: columns.collect(),
            rows: table.rows,
        })
    }

    /// Returns the number of rows.
    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Returns the number of blocks.
    pub(crate) fn blocks(&self) -> usize {
        self.rows.len().div_ceil(BLOCK).max(1)
    }

    /// Returns the rows of a block.
    pub(crate) fn block(&self, block: usize) -> &[Row] {
        self.rows.chunks(BLOCK).nth(block).unwrap_or_default()
    }
}

/// Returns whether a column is shown unless some are chosen; `at` is its place in the order of columns.
fn is_usual(at: usize, column: &Column) -> bool {
    at < COLUMNS || column.kind == ColumnKind::Built
}

/// Keeps what meets the conditions, in the order that is asked for: else the newest first.
fn arranged(table: &mut Comparison, query: &Query) -> pylightnix::Result<()> {
    for condition in query.all("where") {
        table.retain(condition)?;
    }
    match query.first("sort") {
        Some(column) => table.sort_by(column, query.first("desc").is_some()),
        None => {
            table.rows.reverse();
            Ok(())
        }
    }
}

/// Returns the columns with those first that say most of a realization.
fn in_order(columns: &[Column]) -> Vec<&Column> {
    let mut columns: Vec<&Column> = columns.iter().collect();
    columns.sort_by_key(|column| match column.kind {
        ColumnKind::Tags => 0,
        ColumnKind::Field | ColumnKind::Outcome => 1,
        ColumnKind::Number | ColumnKind::Series => 2,
        ColumnKind::Built => 3,
        ColumnKind::Seconds => 4,
        ColumnKind::Bytes | ColumnKind::Memory => 5,
        ColumnKind::Notes => 6,
        ColumnKind::Code => 7,
        _ => 8,
    });
    columns
}

/// Returns the names of the columns of numbers, and of those of series.
fn plottable(table: &Comparison) -> (Vec<String>, Vec<String>) {
    let (mut numbers, mut series) = (Vec::new(), Vec::new());
    for (at, column) in table.columns.iter().enumerate() {
        let mut cells = table.rows.iter().filter_map(|row| row.cells[at].as_ref());
        match cells.find(|cell| is_plottable(cell)) {
            Some(Cell::Series(_)) => {
                series.push(column.name.clone());
                numbers.push(column.name.clone());
            }
            Some(_) => numbers.push(column.name.clone()),
            None => {}
        }
    }
    (numbers, series)
}

fn is_plottable(cell: &Cell) -> bool {
    match cell {
        Cell::Series(_) => true,
        Cell::Value(value) => value.is_number(),
        _ => false,
    }
}

fn number_of(row: &Row, at: usize) -> Option<f64> {
    let cell = row.cells[at].as_ref()?;
    cell.number().filter(|number| number.is_finite())
}

impl Plot {
    fn of(table: &Comparison, query: &Query, numbers: &[String]) -> Option<Self> {
        let at = |name: &str| table.columns.iter().position(|column| column.name == name);
        match (query.first("x"), query.first("y")) {
            (Some(x), Some(y)) => {
                let (x_at, y_at) = (at(x)?, at(y)?);
                let point = |row: &Row| {
                    let (x, y) = (number_of(row, x_at)?, number_of(row, y_at)?);
                    let rref = row.rref.clone();
                    Some(Point { rref, x, y })
                };
                let points: Vec<Point> = table.rows.iter().filter_map(point).collect();
                let of = points.len();
                return Some(Plot::Scatter {
                    x: x.to_owned(),
                    y: y.to_owned(),
                    points: every(points, POINTS),
                    of,
                });
            }
            (Some(series), None) | (None, Some(series)) => {
                let place = at(series)?;
                let line = |row: &Row| match row.cells[place].as_ref()? {
                    Cell::Series(series) => {
                        let step = series.len.saturating_sub(1).max(1) as f64
                            / series.values.len().saturating_sub(1).max(1) as f64;
                        let points = series.values.iter().enumerate();
                        let points = points.map(|(at, value)| (at as f64 * step, *value));
                        Some((row.rref.clone(), points.collect()))
                    }
                    _ => None,
                };
                let lines: Vec<_> = table.rows.iter().filter_map(line).collect();
                let of = lines.len();
                return Some(Plot::Overlaid {
                    series: series.to_owned(),
                    lines: every(lines, LINES),
                    of,
                });
            }
            (None, None) => {}
        }
        if query.first("plot") != Some("parallel") {
            return None;
        }
        let chosen: Vec<&str> = query.all("col").collect();
        let axes = numbers
            .iter()
            .filter(|name| chosen.is_empty() || chosen.contains(&name.as_str()));
        let axes: Vec<String> = axes.take(COLUMNS).cloned().collect();
        let places: Vec<usize> = axes.iter().filter_map(|name| at(name)).collect();
        let line = |row: &Row| {
            let numbers = places.iter().map(|at| number_of(row, *at));
            (row.rref.clone(), numbers.collect())
        };
        let of = table.rows.len();
        let lines = every(table.rows.iter().collect(), LINES)
            .into_iter()
            .map(line);
        Some(Plot::Parallel {
            axes,
            lines: lines.collect(),
            of,
        })
    }
}

/// Returns at most `most` items, evenly spaced.
fn every<T>(items: Vec<T>, most: usize) -> Vec<T> {
    let step = items.len().div_ceil(most).max(1);
    items.into_iter().step_by(step).collect()
}
