//! Comparison tables: realizations with the fields in which they differ and the numbers in their artifacts.

mod artifacts;
mod fields;
mod npy;
mod table;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::config::{ConfigJson, DRefId, RRefId};
use crate::store::disk::parallel;
use crate::store::{
    BuildKind, BuildRecord, EntryKind, Outcome, RecordedSeries, Remark, RemarkKind, Store,
    newest_first,
};
use crate::{Error, Result};
pub(super) use artifacts::{Number, numbers};
pub(super) use table::order;

use fields::{Fields, differing};

impl Store {
    /// Compares realizations, usually of one stage, in a table. It has one row for each realization, in the order of their
    /// builds, with the config fields that differ, the numbers in the artifacts, the duration of the build, its memory if that is known,
    /// and the size.
    ///
    /// - A different dependency is expanded: `data.path` is the field `path` of the dependency in the field `data`.
    /// - What the builds were made with has columns if it differs: `env.rustc`, `env.crates.ndarray`, `env.commit` and so on.
    /// - Numbers come from `.json` files and are named by the file and the path in it: `scores.accuracy` in `scores.json`. A
    ///   list of numbers becomes a [`Series`], and so does a one-dimensional array in a `.npy` file. Files above 64 MiB and
    ///   malformed files are skipped.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # use std::collections::BTreeMap;
    /// # #[derive(Config)]
    /// # pub struct Train { #[selfref("scores.json")] out: SelfRef<Json<BTreeMap<String, f64>>>, epochs: u32 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    /// #     let accuracy = 1. - 1. / f64::from(b.epochs);
    /// #     Ok(TrainOutputs { out: b.out.save(&BTreeMap::from([("accuracy".to_owned(), accuracy)]))? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # for epochs in [2, 5, 10] { store.realize(&instantiate(Train::new(epochs))?)?; }
    /// let runs: Vec<_> = store.find().name("train").run()?.collect::<Result<_, _>>()?;
    /// let mut table = store.compare(&runs)?;
    /// table.retain("scores.accuracy > 0.6")?;
    /// table.sort_by("scores.accuracy", true)?;
    /// table.choose(&["epochs", "scores.accuracy"])?;
    /// assert_eq!(table.to_csv(), "realization,epochs,scores.accuracy\n".to_owned()
    ///     + &format!("{},10,0.9\n{},5,0.8\n", table.rows[0].rref, table.rows[1].rref));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if one is not in the store or is corrupt, or if a system call fails.
    pub fn compare<R: AsRef<RRefId>>(&self, of: impl IntoIterator<Item = R>) -> Result<Comparison> {
        let (table, unread) = self.compare_readable(of)?;
        unread.into_iter().next().map_or(Ok(table), Err)
    }

    /// Compares the readable realizations, and returns the errors for the others.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn compare_readable<R: AsRef<RRefId>>(
        &self,
        of: impl IntoIterator<Item = R>,
    ) -> Result<(Comparison, Vec<Error>)> {
        let of = of.into_iter().map(|rref| rref.as_ref().clone());
        let mut of: Vec<RRefId> = of.collect();
        let mut seen = HashSet::new();
        of.retain(|rref| seen.insert(rref.clone()));
        self.use_derivations(of.iter().map(RRefId::dref))?;
        let rows = parallel::map(&of, parallel::cores(), |_, rref| Ok(self.read_row(rref)))?;
        let mut configs: HashMap<DRefId, ConfigJson> = HashMap::new();
        let (mut read, mut unread) = (Vec::new(), Vec::new());
        for row in rows {
            let row = row.and_then(|row| {
                let dref = row.rref.dref();
                if !configs.contains_key(dref) {
                    configs.insert(dref.clone(), self.config(dref)?);
                }
                Ok(row)
            });
            match row {
                Ok(row) => read.push(row),
                Err(error) => unread.push(error),
            }
        }
        read.sort_by(|one, other| (one.built, &one.rref).cmp(&(other.built, &other.rref)));
        let mut columns = Columns::new(read.len());
        let rows = read.iter();
        let rows: Vec<_> = rows
            .map(|row| Fields::of(&configs[row.rref.dref()], &row.omitted))
            .collect::<Result<_>>()?;
        let mut same = BTreeMap::new();
        for (name, cells) in differing(self, rows, &mut same)? {
            columns.add(&name, ColumnKind::Field, cells);
        }
        columns.add_if_they_differ("code", ColumnKind::Code, &read, |row| {
            let fingerprint = row.fingerprint.as_ref()?;
            Some(fingerprint.get(..8).unwrap_or(fingerprint).into())
        });
        let names = read.iter().flat_map(|row| row.environment.keys().cloned());
        for name in names.collect::<BTreeSet<_>>() {
            columns.add_if_known_ones_differ(&format!("env.{name}"), &read, |row| {
                row.environment.get(&name)
            });
        }
        columns.add_if_they_differ("ended", ColumnKind::Outcome, &read, |row| {
            Some(row.outcome.to_string().into())
        });
        columns.add_numbers(&read);
        columns.add_series(&read);
        columns.add_remarks("tags", ColumnKind::Tags, RemarkKind::Tag, &read);
        columns.add_remarks("notes", ColumnKind::Notes, RemarkKind::Note, &read);
        let cells = |of: fn(&RowData) -> Option<serde_json::Value>| {
            let cells = read.iter().map(|row| of(row).map(Cell::Value));
            cells.collect::<Vec<_>>()
        };
        let built = |row: &RowData| Some(row.built?.to_string().into());
        columns.add("built", ColumnKind::Built, cells(built));
        columns.add(
            "seconds",
            ColumnKind::Seconds,
            cells(|row| Some(row.seconds?.into())),
        );
        if read.iter().any(|row| row.memory.is_some()) {
            let memory = |row: &RowData| Some(row.memory?.into());
            columns.add("memory", ColumnKind::Memory, cells(memory));
        }
        columns.add(
            "bytes",
            ColumnKind::Bytes,
            cells(|row| Some(row.bytes.into())),
        );
        Ok((columns.table(read, same), unread))
    }

    fn read_row(&self, rref: &RRefId) -> Result<RowData> {
        let realization = self.realization(rref)?;
        let (builds, outcome) = (realization.builds(), realization.outcome);
        let record = self.record(rref)?;
        let made = |build: &&BuildRecord| build.kind == BuildKind::Build;
        let build = newest_first(builds).find(made);
        let by = build.or(newest_first(builds).next());
        let entries = record.manifest().entries();
        let sizes = entries.iter().map(|entry| match entry.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        });
        let bytes = sizes.sum();
        Ok(RowData {
            rref: rref.clone(),
            omitted: by.map(|build| build.omitted.clone()).unwrap_or_default(),
            environment: build
                .map(BuildRecord::environment_values)
                .unwrap_or_default(),
            fingerprint: by.and_then(|build| build.fingerprint.clone()),
            outcome,
            numbers: numbers(&self.out_dir(rref), entries)?,
            built: by
                .filter(|build| build.ended().is_some())
                .map(|build| build.start),
            seconds: build.map(BuildRecord::seconds),
            memory: build.and_then(|build| build.peak_memory),
            bytes,
            remarks: realization.remarks(),
            series: self.series_in(&realization)?,
        })
    }
}

/// A table of realizations; see [`Store::compare`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, one for each realization.
    pub rows: Vec<Row>,
    /// Fields with equal values in all rows. They have no column, but can be used in conditions.
    same: BTreeMap<String, Cell>,
}

/// A column of a [`Comparison`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Column {
    /// The name, used in conditions.
    pub name: String,
    /// The source of the values.
    pub kind: ColumnKind,
}

/// The source of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColumnKind {
    /// A config field that differs.
    Field,
    /// The column `code`: the beginning of the code fingerprint. Present only if it differs.
    Code,
    /// A column `env.` and `rustc`, `crates.ndarray`, `commit` and so on: with what it was made. Present only if two are known
    /// that differ.
    Environment,
    /// The column `ended`: the outcome. Present only if it differs.
    Outcome,
    /// A number or series in an artifact.
    Number,
    /// A series that the stage recorded, by its name.
    Series,
    /// The column `tags`: the tags, separated by commas. Present only if there are any.
    Tags,
    /// The column `notes`: the notes, one after the other. Present only if there are any.
    Notes,
    /// The column `built`: the time of the build.
    Built,
    /// The column `seconds`: the duration of the build.
    Seconds,
    /// The column `memory`: the most bytes of memory that one process of the build held. Present only if it is known of any.
    Memory,
    /// The column `bytes`: the total size of the artifacts.
    Bytes,
}

/// A row of a [`Comparison`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// The reference of the realization.
    pub rref: RRefId,
    /// The values, one for each column; `None` where it has none.
    pub cells: Vec<Option<Cell>>,
    /// The notes and tags, oldest first.
    pub remarks: Vec<Remark>,
}

/// A value in a [`Comparison`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// A JSON value: a number, a string, and so on.
    Value(serde_json::Value),
    /// A series of numbers.
    Series(Series),
}

/// A series of numbers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// The length of the series.
    pub len: usize,
    /// The values. Of more than 1,000, an evenly spaced sample of 1,000 that includes the first and the last. JSON values that
    /// are not numbers become NaN.
    pub values: Vec<f64>,
}

/// The maximal number of columns of series.
const MAX_SERIES: usize = 256;

/// The data of a row.
struct RowData {
    rref: RRefId,
    omitted: BTreeMap<String, serde_json::Value>,
    fingerprint: Option<String>,
    /// What is known of the environment of the build, by name.
    environment: BTreeMap<String, String>,
    outcome: Outcome,
    numbers: Vec<Number>,
    built: Option<Timestamp>,
    seconds: Option<f64>,
    memory: Option<u64>,
    bytes: u64,
    remarks: Vec<Remark>,
    series: Vec<RecordedSeries>,
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
        read: &[RowData],
        of: impl Fn(&RowData) -> Option<serde_json::Value>,
    ) {
        let values: Vec<_> = read.iter().map(of).collect();
        if values.windows(2).any(|two| two[0] != two[1]) {
            let cells = values.into_iter().map(|value| value.map(Cell::Value));
            self.add(name, kind, cells.collect());
        }
    }

    /// Adds a column of the environment. That older records know nothing of it makes no difference.
    fn add_if_known_ones_differ<'a>(
        &mut self,
        name: &str,
        read: &'a [RowData],
        of: impl Fn(&'a RowData) -> Option<&'a String>,
    ) {
        let values: Vec<_> = read.iter().map(of).collect();
        if values.iter().flatten().collect::<BTreeSet<_>>().len() > 1 {
            let cell = |value: &String| Cell::Value(value.as_str().into());
            let cells = values.into_iter().map(|value| value.map(cell));
            self.add(name, ColumnKind::Environment, cells.collect());
        }
    }

    /// Adds a column for each series that the stages recorded.
    fn add_series(&mut self, read: &[RowData]) {
        let names = read
            .iter()
            .flat_map(|row| row.series.iter().map(|one| &one.name));
        let names: BTreeSet<&String> = names.collect();
        for name in names.into_iter().take(MAX_SERIES) {
            let cells = read.iter().map(|row| {
                let series = row.series.iter().find(|series| series.name == *name)?;
                Some(Cell::Series(Series {
                    len: series.count,
                    ..Series::of(series.values())?
                }))
            });
            self.add(name, ColumnKind::Series, cells.collect());
        }
    }

    /// Adds a column of notes or of tags, if there are any.
    fn add_remarks(&mut self, name: &str, kind: ColumnKind, of: RemarkKind, read: &[RowData]) {
        let texts = read.iter().map(|row| {
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
    fn add_numbers(&mut self, read: &[RowData]) {
        let mut places = Vec::new();
        let mut known: HashMap<(&str, &str), usize> = HashMap::new();
        let mut cells: Vec<Vec<Option<Cell>>> = Vec::new();
        for (at, row) in read.iter().enumerate() {
            for number in &row.numbers {
                let place = (number.file.as_str(), number.way.as_str());
                let column = *known.entry(place).or_insert_with(|| {
                    places.push(number);
                    cells.push(vec![None; read.len()]);
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

    fn table(self, read: Vec<RowData>, same: BTreeMap<String, Cell>) -> Comparison {
        let rows = read.into_iter().zip(self.cells);
        Comparison {
            columns: self.columns,
            same,
            rows: rows
                .map(|(read, cells)| Row {
                    rref: read.rref,
                    cells,
                    remarks: read.remarks,
                })
                .collect(),
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Value(value) => value.serialize(to),
            Cell::Series(series) => series.values.serialize(to),
        }
    }
}

impl Serialize for Comparison {
    /// Serializes as a list of objects: `rref`, and `values` by column name, `null` where there is none. A series is a list.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.rows.iter().map(|row| RowOf {
            rref: &row.rref,
            values: Values(&self.columns, &row.cells),
        }))
    }
}

#[derive(Serialize)]
struct RowOf<'a> {
    rref: &'a RRefId,
    values: Values<'a>,
}

struct Values<'a>(&'a [Column], &'a [Option<Cell>]);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let names = self.0.iter().map(|column| &column.name);
        to.collect_map(names.zip(self.1))
    }
}
