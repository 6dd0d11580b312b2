//! Tables as CSV files.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io::BufReader;
use std::marker::PhantomData;
use std::path::Path;

use super::Format;
use crate::BoxError;
use crate::plan::matcher::OfTheLibrary;
use crate::store::regular::open_regular;

/// A table in a CSV file (feature `csv`): a line with the names of the fields of `T`, and a line for each `T`.
///
/// It loads a `Vec<T>` and saves any slice `[T]`. `T` is a struct of plain fields: numbers, texts, `bool`, enums without data, and `Option`s of these,
/// for which an empty cell stands. Equal rows give equal files: fields are in the order of the struct, lines end with a line feed.
///
/// Saving refuses what would be read as something else: `Some` of an empty text, which is read as `None`; structs in structs, lists and maps;
/// and rows without names of fields.
///
/// ```standalone_crate
/// use pylightnix::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// struct Epoch {
///     number: u32,
///     loss: f64,
/// }
///
/// #[derive(Config)]
/// struct Train {
///     #[selfref("epochs.csv")]
///     epochs: SelfRef<Csv<Epoch>>,
/// }
///
/// #[stage]
/// fn train(b: &Build<Train>) -> Result<TrainOutputs> {
///     let epochs = [Epoch { number: 1, loss: 0.5 }, Epoch { number: 2, loss: 0.25 }];
///     Ok(TrainOutputs { epochs: b.epochs.save(&epochs[..])? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let store = Store::open(folder.path().join("store"))?;
/// let train = store.realize(&instantiate(Train::new())?)?;
/// assert_eq!(std::fs::read_to_string(train.epochs.path())?, "number,loss\n1,0.5\n2,0.25\n");
/// assert_eq!(train.epochs.load()?[1].loss, 0.25);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Csv<T>(PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned + 'static> Format for Csv<T> {
    type Value = Vec<T>;
    type View = [T];

    fn read(path: &Path) -> Result<Vec<T>, BoxError> {
        rows(BufReader::new(open_regular(path)?.0))
    }

    fn write(value: &[T], path: &Path) -> Result<(), BoxError> {
        let mut to = ::csv::Writer::from_writer(Vec::new());
        for (at, row) in value.iter().enumerate() {
            to.serialize(row)
                .map_err(|error| format!("row {at} cannot be a line of a table: {error}"))?;
        }
        let bytes = to.into_inner().map_err(|error| error.into_error())?;
        let read: Vec<T> = rows(&*bytes)?;
        if read.len() != value.len() {
            let (rows, read) = (value.len(), read.len());
            return Err(format!(
                "{rows} rows would be read as {read}: a row has to be a struct with at least one field, whose names are the first line"
            )
            .into());
        }
        for (at, (row, read)) in value.iter().zip(&read).enumerate() {
            let (row, read) = (serde_json::to_value(row)?, serde_json::to_value(read)?);
            if row != read {
                return Err(format!("row {at} is {row}, and would be read as {read}").into());
            }
        }
        Ok(fs::write(path, bytes)?)
    }

    fn reads_one_file(_: OfTheLibrary) -> bool {
        true
    }
}

fn rows<T: DeserializeOwned>(from: impl std::io::Read) -> Result<Vec<T>, BoxError> {
    let mut from = ::csv::Reader::from_reader(from);
    Ok(from.deserialize().collect::<Result<_, _>>()?)
}
