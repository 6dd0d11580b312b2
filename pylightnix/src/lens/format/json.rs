//! Values as JSON files.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::path::Path;

use super::Format;
use crate::BoxError;

/// A JSON file, indented for people, that holds a `T`.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned + 'static> Format for Json<T> {
    type Value = T;
    type View = T;

    fn read(path: &Path) -> Result<T, BoxError> {
        // From memory: parsing from a reader goes byte by byte and is several times slower.
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    fn write(value: &T, path: &Path) -> Result<(), BoxError> {
        let mut file = BufWriter::new(File::create(path)?);
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        // Dropping a BufWriter would lose the error of the last write.
        file.into_inner()?;
        Ok(())
    }
}
