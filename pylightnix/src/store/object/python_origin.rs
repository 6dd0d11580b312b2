//! Where a realization that was imported from the Python package comes from.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use uuid::{Builder, Uuid};

use crate::config::{Digest, RRefId};
use crate::store::object::build_record::BuildRecord;

/// In the build records of an import from the Python package pylightnix: which realization it was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PythonOrigin {
    /// Its reference there. Its hash is another one than here, as other bytes are hashed.
    pub rref: RRefId,
    /// The store or archive that it was in; only in the record of the import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The time at which its build began, as it is written there; only in the record of the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The time at which its build ended, as it is written there; only in the record of the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// Its place, from 0, among those that began at the same time, in the order in which `match_latest` prefers them. `None` if
    /// no other did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// Whether its hash could not be checked there, and was trusted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchecked: bool,
}

impl fmt::Display for PythonOrigin {
    /// Writes ``from Python: rref:.. in /home/ada/_pylightnix``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from Python: {}", self.rref)?;
        if let Some(store) = &self.store {
            write!(f, " in {store}")?;
        }
        match self.unchecked {
            true => f.write_str(", its hash was not checked"),
            false => Ok(()),
        }
    }
}

impl PythonOrigin {
    pub(in crate::store) fn of(rref: &RRefId) -> Self {
        PythonOrigin {
            rref: rref.clone(),
            store: None,
            start: None,
            stop: None,
            place: None,
            unchecked: false,
        }
    }

    /// Returns the identifier of the record of its build, which is the same in every import.
    pub(in crate::store) fn build_id(&self, start: Timestamp) -> Uuid {
        let Digest(digest) = Digest::of(format!("python build {}", self.rref).as_bytes());
        let mut rest = [0; 10];
        rest.copy_from_slice(&digest[..10]);
        let millis = u64::try_from(start.as_millisecond()).unwrap_or_default();
        Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
    }
}

impl BuildRecord {
    /// Returns the time by which builds are newer or older: when it ended. Of a build by Python it is when it began, as
    /// `match_latest` goes by that; what it prefers among several that began at the same time is later by nanoseconds, which
    /// its clock does not have.
    pub(in crate::store) fn made_at(&self) -> Timestamp {
        let Some(origin) = &self.python else {
            return self.stop;
        };
        let before = origin.place.map_or(0, |place| 999 - place.min(999));
        let time = self
            .start
            .checked_add(SignedDuration::from_nanos(before.into()));
        time.unwrap_or(self.start)
    }
}

/// Deserializes it; `None` if it is not understood, so that the build record stays readable.
pub(in crate::store) fn understood<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<PythonOrigin>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}
