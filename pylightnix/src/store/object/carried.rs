//! Whose work a carried realization is.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::config::RRefId;

/// In the build record of a realization that was carried from another context without running: the build whose work it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Carried {
    /// The realization that the build made. It need not be in the store any more.
    pub from: RRefId,
    /// The identifier of the build.
    pub build: Uuid,
    /// When it was carried.
    #[serde(with = "crate::store::object::build_record::as_text")]
    pub time: Timestamp,
}

/// Deserializes it; `None` if it is not understood, so that the build record stays readable.
pub(in crate::store) fn understood<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Carried>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}
