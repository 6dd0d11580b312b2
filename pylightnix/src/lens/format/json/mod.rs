//! Values as JSON files.

mod write;

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

use super::Format;
use crate::BoxError;
use crate::plan::matcher::OfTheLibrary;
use crate::store::regular;
use write::{JsonText, to_text};

/// An indented JSON file that holds a `T`.
///
/// Saving refuses values that do not survive a round trip: NaN and infinities, which JSON cannot represent; `Some` of a
/// value that serializes as `null`, which is read as `None`; values that `T` cannot be deserialized from; and values whose
/// text differs after a round trip, as the order of a `HashSet` does. The error names the path in the value. Maps are sorted
/// by key, so that equal values give equal files for all types of maps.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(PhantomData<fn() -> T>);

impl<T: Serialize + DeserializeOwned + 'static> Format for Json<T> {
    type Value = T;
    type View = T;

    fn read(path: &Path) -> Result<T, BoxError> {
        // Parse from memory: serde_json is several times slower with a reader.
        Ok(serde_json::from_slice(&regular::read(path)?)?)
    }

    fn write(value: &T, path: &Path) -> Result<(), BoxError> {
        let text = to_text(value)?;
        check_it_comes_back::<T>(&text)?;
        Ok(fs::write(path, text.bytes)?)
    }

    fn reads_one_file(_: OfTheLibrary) -> bool {
        true
    }
}

/// Checks that the text deserializes as a `T` which serializes to the same text.
fn check_it_comes_back<T: Serialize + DeserializeOwned>(text: &JsonText) -> Result<(), BoxError> {
    for _ in 0..text.lists.round_trips(text.bytes.len()) {
        let read: T = serde_json::from_slice(&text.bytes).map_err(|error| {
            format!(
                "the written text cannot be read back as the same type: {error}; check the serde attributes of the type"
            )
        })?;
        if to_text(&read)?.bytes != text.bytes {
            return Err(
                "the written text changes when it is read and written again: use types with a fixed order, such as `BTreeSet` \
                 instead of `HashSet`, and serde attributes that are symmetric"
                    .into(),
            );
        }
    }
    Ok(())
}
