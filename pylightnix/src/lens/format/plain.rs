//! Text files and binary files.

use std::fs;
use std::path::Path;

use super::Format;
use crate::BoxError;
use crate::plan::matcher::OfTheLibrary;
use crate::store::regular;

/// A UTF-8 text file: loads a `String`, saves a `str`.
#[derive(Clone, Copy, Debug)]
pub enum Text {}

impl Format for Text {
    type Value = String;
    type View = str;

    fn read(path: &Path) -> Result<String, BoxError> {
        Ok(regular::read_to_string(path)?)
    }

    fn write(value: &str, path: &Path) -> Result<(), BoxError> {
        Ok(fs::write(path, value)?)
    }

    fn reads_one_file(_: OfTheLibrary) -> bool {
        true
    }
}

/// A binary file: loads a `Vec<u8>`, saves a `[u8]`.
#[derive(Clone, Copy, Debug)]
pub enum Bytes {}

impl Format for Bytes {
    type Value = Vec<u8>;
    type View = [u8];

    fn read(path: &Path) -> Result<Vec<u8>, BoxError> {
        Ok(regular::read(path)?)
    }

    fn write(value: &[u8], path: &Path) -> Result<(), BoxError> {
        Ok(fs::write(path, value)?)
    }

    fn reads_one_file(_: OfTheLibrary) -> bool {
        true
    }
}
