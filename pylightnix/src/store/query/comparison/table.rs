//! Working on a table: its order, its rows, its columns, and its text.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use serde_json::Value;

use super::super::condition::Condition;
use super::{Cell, Column, Comparison};
use crate::config::{list_names, nearest_first};
use crate::{Error, ErrorKind, Result};

impl Comparison {
    /// Sorts the rows by a column: numbers by value, all else as text; what is not there comes last. Equal ones stay in
    /// their order.
    ///
    /// # Errors
    /// A column that is not there.
    pub fn sort_by(&mut self, column: &str, descending: bool) -> Result<()> {
        let at = self.at(column)?;
        self.rows
            .sort_by(|one, other| match (&one.cells[at], &other.cells[at]) {
                (Some(one), Some(other)) => {
                    let order = order(one, other);
                    let order = order.unwrap_or_else(|| one.to_string().cmp(&other.to_string()));
                    match descending {
                        true => order.reverse(),
                        false => order,
                    }
                }
                (one, other) => one.is_none().cmp(&other.is_none()),
            });
        Ok(())
    }

    /// Leaves only the rows that meet a condition: a column, one of `=`, `!=`, `<`, `<=`, `>`, `>=`, and a value, as in
    /// `scores.accuracy >= 0.9`; or `~` and a part of a text, as in `data.path ~ march`. Of a series, its last value counts. A
    /// field that is the same in all rows may be asked for as well.
    ///
    /// # Errors
    /// A column that is not there, a text that is no condition.
    pub fn retain(&mut self, condition: &str) -> Result<()> {
        let condition = Condition::parse(condition)?;
        match (self.at(&condition.what), self.same.get(&condition.what)) {
            (Ok(at), _) => self
                .rows
                .retain(|row| condition.holds(row.cells[at].as_ref())),
            (Err(_), Some(same)) => {
                if !condition.holds(Some(same)) {
                    self.rows.clear();
                }
            }
            (Err(error), None) => return Err(error),
        }
        Ok(())
    }

    /// Leaves only these columns, in this order.
    ///
    /// # Errors
    /// A column that is not there.
    pub fn choose<S: AsRef<str>>(&mut self, columns: &[S]) -> Result<()> {
        let places = columns.iter().map(|name| self.at(name.as_ref()));
        let places: Vec<usize> = places.collect::<Result<_>>()?;
        let picked = places.iter().map(|at| self.columns[*at].clone());
        self.columns = picked.collect();
        for row in &mut self.rows {
            row.cells = places.iter().map(|at| row.cells[*at].clone()).collect();
        }
        Ok(())
    }

    /// As comma-separated values ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180), with plain line feeds): a line of
    /// names, `realization` first, and a line for each row. A series is a list of JSON.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from("realization");
        for column in &self.columns {
            csv.push(',');
            quoted(&mut csv, &column.name);
        }
        csv.push('\n');
        for row in &self.rows {
            let _ = write!(csv, "{}", row.rref);
            for cell in &row.cells {
                csv.push(',');
                if let Some(cell) = cell {
                    quoted(&mut csv, &cell.to_string());
                }
            }
            csv.push('\n');
        }
        csv
    }

    fn at(&self, name: &str) -> Result<usize> {
        let find = |column: &Column| column.name == name;
        self.columns.iter().position(find).ok_or_else(|| {
            let message = format!("there is no column `{name}`");
            let there = self.columns.iter().map(|column| column.name.as_str());
            let there = list_names(nearest_first(name, there).into_iter());
            Error::new(ErrorKind::Reference, message).help(there)
        })
    }
}

/// Which comes first; `None` of things that cannot be compared.
pub(in super::super) fn order(one: &Cell, other: &Cell) -> Option<Ordering> {
    match (one.number(), other.number()) {
        (Some(one), Some(other)) => one.partial_cmp(&other),
        (None, None) => Some(one.to_string().cmp(&other.to_string())),
        _ => None,
    }
}

fn quoted(csv: &mut String, text: &str) {
    match text.contains([',', '"', '\n', '\r']) {
        true => {
            let _ = write!(csv, "\"{}\"", text.replace('"', "\"\""));
        }
        false => csv.push_str(text),
    }
}

impl Cell {
    /// Its number; of a series, the last one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Cell::Value(value) => value.as_f64(),
            Cell::Series(series) => series.values.last().copied(),
        }
    }
}

/// A text without quotes, all else as JSON.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Value(Value::String(text)) => f.write_str(text),
            Cell::Value(value) => write!(f, "{value}"),
            Cell::Series(series) => {
                // NaN is null.
                let values = series.values.iter().map(|value| Value::from(*value));
                write!(f, "{}", Value::Array(values.collect()))
            }
        }
    }
}
