//! Values as JSON files.

mod write;

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

use super::Format;
use crate::BoxError;
use crate::store::regular;
use write::{JsonText, to_text};

/// A JSON file, indented for people, that holds a `T`.
///
/// Saving refuses what loading would not give back: NaN and infinities, which JSON has no form for; `Some` of what is
/// written as `null`, which comes back as `None`; what `T` cannot be read from again; and what is written in another way
/// once it was read, as the items of a `HashSet` are. The error names the place in the value. Maps are written in the order
/// of their keys, so that equal values are equal files, whatever kind of map holds them.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned + 'static> Format for Json<T> {
    type Value = T;
    type View = T;

    fn read(path: &Path) -> Result<T, BoxError> {
        // From memory: parsing from a reader goes byte by byte and is several times slower.
        Ok(serde_json::from_slice(&regular::read(path)?)?)
    }

    fn write(value: &T, path: &Path) -> Result<(), BoxError> {
        let text = to_text(value)?;
        check_it_comes_back::<T>(&text)?;
        Ok(fs::write(path, text.bytes)?)
    }
}

/// That a `T` is read from its text, and that this one is written as the same text.
fn check_it_comes_back<T: Serialize + DeserializeOwned>(text: &JsonText) -> Result<(), BoxError> {
    for _ in 0..text.lists.times(text.bytes.len()) {
        let read: T = serde_json::from_slice(&text.bytes).map_err(|error| {
            format!(
                "what is written cannot be read back as the same type: {error}; look at its serde attributes"
            )
        })?;
        if to_text(&read)?.bytes != text.bytes {
            return Err(
                "the value is written in another way once it was read back: use types that keep their order, as \
                 `BTreeSet` in place of `HashSet`, and serde attributes that read what they write"
                    .into(),
            );
        }
    }
    Ok(())
}
