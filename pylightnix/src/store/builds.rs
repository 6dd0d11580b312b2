//! The builds of a realization, as they are kept in memory and in the index: looked at without being parsed.

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

use super::build_record::{BuildKind, BuildRecord};
use super::bytes::{Reader, put_i64, put_text, put_u32};

/// The builds, imports and acceptances of a realization, oldest first. It dereferences to their records, which are parsed
/// when somebody looks at them: deciding whether a result is there needs only their heads.
#[derive(Clone)]
pub struct Builds {
    bytes: Arc<[u8]>,
    at: Range<usize>,
    parsed: OnceLock<Vec<BuildRecord>>,
}

/// What decisions are made by.
pub(crate) struct BuildHead<'a> {
    pub(crate) kind: BuildKind,
    pub(crate) stop: Timestamp,
    pub(crate) fingerprint: Option<&'a str>,
    /// JSON; empty for none.
    omitted: &'a str,
}

impl BuildHead<'_> {
    /// The values of the fields that were left out.
    pub(crate) fn omitted(&self) -> BTreeMap<String, serde_json::Value> {
        match self.omitted {
            "" => BTreeMap::new(),
            // It was written here, from such a map.
            text => serde_json::from_str(text).unwrap_or_default(),
        }
    }
}

impl Builds {
    /// Those that lie at `at` in `bytes`, where [`pack_builds`] put them.
    pub(super) fn packed(bytes: Arc<[u8]>, at: Range<usize>) -> Self {
        Builds {
            bytes,
            at,
            parsed: OnceLock::new(),
        }
    }

    /// What decisions are made by, oldest first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = BuildHead<'_>> {
        self.each().map(|(_, head, _)| head)
    }

    fn each(&self) -> impl Iterator<Item = (Uuid, BuildHead<'_>, &[u8])> {
        let mut reader = Reader(self.bytes.get(self.at.clone()).unwrap_or_default());
        std::iter::from_fn(move || read_build(&mut reader))
    }
}

impl Deref for Builds {
    type Target = [BuildRecord];

    fn deref(&self) -> &[BuildRecord] {
        self.parsed.get_or_init(|| {
            let each = self.each();
            each.filter_map(|(id, _, raw)| BuildRecord::from_bytes(id, raw))
                .collect()
        })
    }
}

impl<'a> IntoIterator for &'a Builds {
    type Item = &'a BuildRecord;
    type IntoIter = std::slice::Iter<'a, BuildRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Builds {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<[BuildRecord]> for Builds {
    fn eq(&self, other: &[BuildRecord]) -> bool {
        **self == *other
    }
}

impl<const N: usize> PartialEq<[BuildRecord; N]> for Builds {
    fn eq(&self, other: &[BuildRecord; N]) -> bool {
        **self == *other
    }
}

impl fmt::Debug for Builds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A build record as it was read: parsed, and its bytes.
pub(super) struct ReadBuild {
    pub(super) record: BuildRecord,
    pub(super) raw: Vec<u8>,
}

/// Puts build records where [`Builds`] find them again.
pub(super) fn pack_builds(to: &mut Vec<u8>, builds: &[ReadBuild]) {
    for ReadBuild { record, raw } in builds {
        pack_build(to, record, raw);
    }
}

/// The same for one.
pub(super) fn pack_build(to: &mut Vec<u8>, record: &BuildRecord, raw: &[u8]) {
    to.extend_from_slice(record.id.as_bytes());
    to.push(match record.kind {
        BuildKind::Build => 0,
        BuildKind::Import => 1,
        BuildKind::Accept => 2,
    });
    put_i64(to, record.stop.as_second());
    put_u32(to, record.stop.subsec_nanosecond().cast_unsigned());
    to.push(u8::from(record.fingerprint.is_some()));
    put_text(
        to,
        record.fingerprint.as_deref().unwrap_or_default().as_bytes(),
    );
    let omitted = match record.omitted.is_empty() {
        true => Vec::new(),
        // What was read as JSON can be written as JSON.
        false => serde_json::to_vec(&record.omitted).unwrap_or_default(),
    };
    put_text(to, &omitted);
    put_text(to, raw);
}

fn read_build<'a>(from: &mut Reader<'a>) -> Option<(Uuid, BuildHead<'a>, &'a [u8])> {
    let id = Uuid::from_bytes(from.array()?);
    let kind = match from.u8()? {
        0 => BuildKind::Build,
        1 => BuildKind::Import,
        2 => BuildKind::Accept,
        _ => return None,
    };
    let (seconds, nanoseconds) = (from.i64()?, from.u32()?);
    let stop = Timestamp::new(seconds, nanoseconds.cast_signed()).ok()?;
    let has_fingerprint = from.u8()? == 1;
    let fingerprint = from.text()?;
    let omitted = from.text()?;
    let raw = from.bytes()?;
    let head = BuildHead {
        kind,
        stop,
        fingerprint: has_fingerprint.then_some(fingerprint),
        omitted,
    };
    Some((id, head, raw))
}
