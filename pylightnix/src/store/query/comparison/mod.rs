//! Comparison tables: realizations with the fields in which they differ and the numbers in their artifacts.

mod artifacts;
mod by_parts;
mod columns;
mod fields;
mod kept;
mod npy;
mod row;
mod table;

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

use crate::config::RRefId;
use crate::store::{Remark, Store};
use crate::{Error, Result};
pub(super) use artifacts::{Number, numbers};
pub use by_parts::ComparisonByParts;
pub(super) use kept::{KeptRows, state_of};
pub(super) use row::ReadRow;
pub(super) use table::order;

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
        let mut table = ComparisonByParts::of_references(self, of.collect())?;
        table.read(usize::MAX)?;
        let (table, unread) = table.end()?;
        Ok((table, unread))
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
