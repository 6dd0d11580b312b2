//! Numbers in JSON artifacts.

use std::path::Path;

use crate::config::{FieldPath, RawValue};
use crate::store::disk::regular;
use crate::store::disk::there::is_absence;
use crate::{Error, ErrorKind, Result};

/// Returns the number at `way` in the JSON file at `path`. Returns `None` if the file or the entry does not exist, or if the
/// entry is `null`, which is how JSON represents NaN.
pub(super) fn number_in(path: &Path, way: &FieldPath) -> Result<Option<f64>> {
    let text = match regular::read(path) {
        Ok(text) => text,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    let whole: &RawValue = serde_json::from_slice(&text).map_err(|error| not_json(path, error))?;
    let Some(found) = way.find(whole) else {
        return Ok(None);
    };
    match serde_json::from_str::<Option<f64>>(found.get()) {
        Ok(number) => Ok(number),
        Err(error) => Err(Error::new(
            ErrorKind::Artifact,
            format!("the value in {} is not a number", path.display()),
        )
        .because(error)
        .at(path)
        .with_help("give the path of the number itself, as in `scores.accuracy`")),
    }
}

pub(super) fn not_json(path: &Path, error: serde_json::Error) -> Error {
    Error::new(
        ErrorKind::Artifact,
        format!("{} is not valid JSON", path.display()),
    )
    .because(error)
    .at(path)
}
