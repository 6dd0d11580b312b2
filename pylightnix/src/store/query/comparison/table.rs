//! Operations on comparison tables: sorting, filtering, selecting columns, CSV.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use serde_json::Value;

use super::super::condition::Condition;
use super::{Cell, Column, Comparison};
use crate::config::{list_names, nearest_first};
use crate::{Error, ErrorKind, Result};

impl Comparison {
    /// Sorts the rows by a column: numbers by value, others as text; missing values come last. The sort is stable.
    ///
    /// # Errors
    /// Fails if there is no such column.
    pub fn sort_by(&mut self, column: &str, descending: bool) -> Result<()> {
        let at = self.at(column)?;
        self.rows
            .sort_by(|one, other| match (&one.cells[at], &other.cells[at]) {
                (Some(one), Some(other)) => {
                    // Sorting needs a total order: numbers come before texts, and what is no number after those.
                    let order = match (one.number(), other.number()) {
                        (Some(one), Some(other)) => one.total_cmp(&other),
                        (None, None) => one.to_string().cmp(&other.to_string()),
                        (one, other) => one.is_none().cmp(&other.is_none()),
                    };
                    match descending {
                        true => order.reverse(),
                        false => order,
                    }
                }
                (one, other) => one.is_none().cmp(&other.is_none()),
            });
        Ok(())
    }

    /// Keeps the rows that meet a condition: a column, one of `=`, `!=`, `<`, `<=`, `>`, `>=`, and a value, as in
    /// `scores.accuracy >= 0.9`; or `~` and a substring, as in `data.path ~ march`. The last value of a series counts. A field
    /// that is equal in all rows can be used as well. `tag:best` and `note:kink` are as for [`Find::meets`](super::super::Find::meets).
    ///
    /// # Errors
    /// Fails if there is no such column, or if the condition is malformed.
    pub fn retain(&mut self, condition: &str) -> Result<()> {
        let condition = Condition::parse(condition)?;
        if condition.is_of_remarks() {
            self.rows.retain(|row| condition.holds_of(&row.remarks));
            return Ok(());
        }
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

    /// Keeps only these columns, in this order.
    ///
    /// # Errors
    /// Fails if there is no such column.
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

    /// Formats the table as comma-separated values ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180), with plain line feeds):
    /// a header with `realization` first, then one line for each row. A series is a JSON list.
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
            Error::new(ErrorKind::Reference, message).with_help(there)
        })
    }
}

/// Compares two values; returns `None` if one is a number and the other is not.
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
    /// Returns the number, or the last one of a series.
    pub fn number(&self) -> Option<f64> {
        match self {
            Cell::Value(value) => value.as_f64(),
            Cell::Series(series) => series.values.last().copied(),
        }
    }
}

/// Formats a string without quotes, and everything else as JSON.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Value(Value::String(text)) => f.write_str(text),
            Cell::Value(value) => write!(f, "{value}"),
            Cell::Series(series) => {
                // `Value::from` turns NaN into null.
                let values = series.values.iter().map(|value| Value::from(*value));
                write!(f, "{}", Value::Array(values.collect()))
            }
        }
    }
}
