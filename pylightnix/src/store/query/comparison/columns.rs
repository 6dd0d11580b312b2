//! The columns of a table, from what was read of its rows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::fields::{Fields, differing};
use super::row::{ReadRow, RowData};
use super::{Cell, Column, ColumnKind, Comparison, Row};
use crate::config::RawValue;
use crate::store::{RemarkKind, Store};
use crate::{Error, ErrorKind, Result};

/// The maximal number of columns of series.
const MAX_SERIES: usize = 256;

/// Makes a table of rows. Those that are not read have the cells that the index knows.
pub(super) fn table_of(store: &Store, mut rows: Vec<&RowData>) -> Result<Comparison> {
    rows.sort_by(|one, other| (one.built, &one.rref).cmp(&(other.built, &other.rref)));
    let mut columns = Columns::new(rows.len());
    let mut same = BTreeMap::new();
    for (name, cells) in differing(store, fields_of(&rows)?, &mut same)? {
        let mut cells = cells.into_iter();
        let cells = rows.iter().map(|row| {
            let read = row.read.is_some();
            if read { cells.next().flatten() } else { None }
        });
        columns.add(&name, ColumnKind::Field, cells.collect());
    }
    columns.add_if_they_differ("code", ColumnKind::Code, &rows, |row| {
        let fingerprint = row.read.as_ref()?.fingerprint.as_ref()?;
        Some(fingerprint.get(..8).unwrap_or(fingerprint).into())
    });
    let read = rows.iter().filter_map(|row| row.read.as_ref());
    let names = read.flat_map(|row| row.environment.keys().cloned());
    for name in names.collect::<BTreeSet<_>>() {
        columns.add_if_known_ones_differ(&format!("env.{name}"), &rows, |row| {
            row.environment.get(&name)
        });
    }
    columns.add_if_they_differ("ended", ColumnKind::Outcome, &rows, |row| {
        Some(row.outcome.to_string().into())
    });
    columns.add_numbers(&rows);
    columns.add_series(&rows);
    columns.add_remarks("tags", ColumnKind::Tags, RemarkKind::Tag, &rows);
    columns.add_remarks("notes", ColumnKind::Notes, RemarkKind::Note, &rows);
    let cells = |of: fn(&RowData) -> Option<serde_json::Value>| {
        let cells = rows.iter().map(|row| of(row).map(Cell::Value));
        cells.collect::<Vec<_>>()
    };
    let built = |row: &RowData| Some(row.built?.to_string().into());
    columns.add("built", ColumnKind::Built, cells(built));
    let seconds = |row: &RowData| Some(row.read.as_ref()?.seconds?.into());
    columns.add("seconds", ColumnKind::Seconds, cells(seconds));
    let memory = |row: &RowData| Some(row.read.as_ref()?.memory?.into());
    let memory = cells(memory);
    if memory.iter().any(Option::is_some) {
        columns.add("memory", ColumnKind::Memory, memory);
    }
    let bytes = |row: &RowData| Some(row.read.as_ref()?.bytes.into());
    columns.add("bytes", ColumnKind::Bytes, cells(bytes));
    Ok(columns.table(&rows, same))
}

/// Returns the fields of the rows that are read.
fn fields_of(rows: &[&RowData]) -> Result<Vec<Fields>> {
    let read = rows
        .iter()
        .filter_map(|row| Some((row, row.read.as_ref()?)));
    let fields = read.map(|(row, read)| {
        let config: &RawValue = serde_json::from_str(&read.config).map_err(|error| {
            let message = format!("the config of {} is not valid JSON", row.rref.dref());
            Error::new(ErrorKind::Config, message).because(error)
        })?;
        Ok(Fields::of(config, &read.omitted))
    });
    fields.collect()
}

/// A table under construction, column by column.
struct Columns {
    names: HashSet<String>,
    columns: Vec<Column>,
    cells: Vec<Vec<Option<Cell>>>,
}

impl Columns {
    fn new(rows: usize) -> Self {
        Columns {
            names: HashSet::new(),
            columns: Vec::new(),
            cells: vec![Vec::new(); rows],
        }
    }

    fn add(&mut self, name: &str, kind: ColumnKind, cells: Vec<Option<Cell>>) {
        let mut name = name.to_owned();
        while !self.names.insert(name.clone()) {
            // A field may have the name of a built-in column.
            name.push('\'');
        }
        self.columns.push(Column { name, kind });
        for (row, cell) in self.cells.iter_mut().zip(cells) {
            row.push(cell);
        }
    }

    fn add_if_they_differ(
        &mut self,
        name: &str,
        kind: ColumnKind,
        rows: &[&RowData],
        of: impl Fn(&RowData) -> Option<serde_json::Value>,
    ) {
        let values: Vec<_> = rows.iter().map(|row| of(row)).collect();
        // Of rows that are not read nothing is known.
        let read = rows.iter().zip(&values);
        let mut read = read.filter_map(|(row, value)| row.read.is_some().then_some(value));
        let first = read.next();
        if read.any(|value| Some(value) != first) {
            let cells = values.into_iter().map(|value| value.map(Cell::Value));
            self.add(name, kind, cells.collect());
        }
    }

    /// Adds a column of the environment. That older records know nothing of it makes no difference.
    fn add_if_known_ones_differ<'a>(
        &mut self,
        name: &str,
        rows: &[&'a RowData],
        of: impl Fn(&'a ReadRow) -> Option<&'a String>,
    ) {
        let values = rows.iter().map(|row| of(row.read.as_ref()?));
        let values: Vec<_> = values.collect();
        if values.iter().flatten().collect::<BTreeSet<_>>().len() > 1 {
            let cell = |value: &String| Cell::Value(value.as_str().into());
            let cells = values.into_iter().map(|value| value.map(cell));
            self.add(name, ColumnKind::Environment, cells.collect());
        }
    }

    /// Adds a column for each series that the stages recorded.
    fn add_series(&mut self, rows: &[&RowData]) {
        let read = rows.iter().filter_map(|row| row.read.as_ref());
        let names = read.flat_map(|row| row.series.iter().map(|(name, _)| name));
        let names: BTreeSet<&String> = names.collect();
        for name in names.into_iter().take(MAX_SERIES) {
            let cells = rows.iter().map(|row| {
                let mut series = row.read.as_ref()?.series.iter();
                let (_, series) = series.find(|(one, _)| one == name)?;
                Some(Cell::Series(series.clone()))
            });
            self.add(name, ColumnKind::Series, cells.collect());
        }
    }

    /// Adds a column of notes or of tags, if there are any.
    fn add_remarks(&mut self, name: &str, kind: ColumnKind, of: RemarkKind, rows: &[&RowData]) {
        let texts = rows.iter().map(|row| {
            let texts = row.remarks.iter().filter(|remark| remark.kind == of);
            let mut texts: Vec<&str> = texts.map(|remark| remark.text.as_str()).collect();
            if of == RemarkKind::Tag {
                texts.sort_unstable();
                texts.dedup();
            }
            let between = if of == RemarkKind::Tag { "," } else { "; " };
            (!texts.is_empty()).then(|| Cell::Value(texts.join(between).into()))
        });
        let cells: Vec<_> = texts.collect();
        if cells.iter().any(Option::is_some) {
            self.add(name, kind, cells);
        }
    }

    /// Adds a column for each number in the artifacts, in the order of first occurrence.
    fn add_numbers(&mut self, rows: &[&RowData]) {
        let mut places = Vec::new();
        let mut known: HashMap<(&str, &str), usize> = HashMap::new();
        let mut cells: Vec<Vec<Option<Cell>>> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            for number in row.read.iter().flat_map(|read| &read.numbers) {
                let place = (number.file.as_str(), number.way.as_str());
                let column = *known.entry(place).or_insert_with(|| {
                    places.push(number);
                    cells.push(vec![None; rows.len()]);
                    places.len() - 1
                });
                cells[column][at] = Some(number.cell.clone());
            }
        }
        for (number, cells) in places.iter().zip(cells) {
            let short = number.name();
            let name = match self.names.contains(&short) {
                true => number.full_name(),
                false => short,
            };
            self.add(&name, ColumnKind::Number, cells);
        }
    }

    fn table(self, rows: &[&RowData], same: BTreeMap<String, Cell>) -> Comparison {
        let rows = rows.iter().zip(self.cells);
        Comparison {
            columns: self.columns,
            same,
            rows: rows
                .map(|(row, cells)| Row {
                    rref: row.rref.clone(),
                    cells,
                    remarks: row.remarks.clone(),
                })
                .collect(),
        }
    }
}
