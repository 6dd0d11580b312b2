//! The packed form of a realization's builds, in memory and in the index. It holds only the fields that decisions need; the
//! complete records are read on demand.

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

use crate::store::disk::bytes::{Reader, put_i64, put_sized, put_text, put_u32, put_u64};
use crate::store::object::attached::{self, Remark};
use crate::store::object::build_record::{BuildKind, BuildRecord};

/// The builds, imports and acceptances of a realization, oldest first. Complete records are loaded lazily.
#[derive(Clone)]
pub(crate) struct Builds {
    bytes: Arc<Vec<u8>>,
    at: Range<usize>,
    records: OnceLock<Box<[BuildRecord]>>,
}

/// The fields of a build record that decisions need.
pub(crate) struct BuildHead<'a> {
    /// Whether this is a build, an import or an acceptance.
    pub(crate) kind: BuildKind,
    /// When the build ended; of a build by Python, when it began.
    pub(crate) stop: Timestamp,
    /// The duration of the build.
    pub(crate) seconds: f64,
    pub(crate) fingerprint: Option<&'a str>,
    /// The run of the stage, or `None` if the record stands for all runs.
    pub(crate) run: Option<RunOf>,
    /// The omitted fields as JSON; empty if there are none.
    omitted: &'a str,
}

/// The index of a run and the total number of runs of its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunOf {
    pub(crate) index: usize,
    pub(crate) of: usize,
}

impl RunOf {
    /// Returns the run of a record, or `None` if it has no valid one.
    fn of_record(record: &BuildRecord) -> Option<Self> {
        let (index, of) = (record.index?, record.of?);
        (index < of).then_some(RunOf { index, of })
    }
}

impl BuildRecord {
    /// Whether this records one run of a multi-run build.
    pub(in crate::store) fn is_of_several(&self) -> bool {
        RunOf::of_record(self).is_some_and(|run| run.of > 1)
    }
}

impl BuildHead<'_> {
    /// Returns the values of the omitted fields.
    pub(crate) fn omitted(&self) -> BTreeMap<String, serde_json::Value> {
        match self.omitted {
            "" => BTreeMap::new(),
            // Cannot fail: `pack_build` serialized a map.
            text => serde_json::from_str(text).unwrap_or_default(),
        }
    }

    /// Appends all that it says.
    pub(in crate::store) fn put_known(&self, to: &mut Vec<u8>) {
        to.push(self.kind as u8);
        put_i64(to, self.stop.as_second());
        put_u32(to, self.stop.subsec_nanosecond().cast_unsigned());
        put_u64(to, self.seconds.to_bits());
        let RunOf { index, of } = self.run.unwrap_or(RunOf { index: 0, of: 0 });
        put_u64(to, index as u64);
        put_u64(to, of as u64);
        to.push(u8::from(self.fingerprint.is_some()));
        put_text(to, self.fingerprint.unwrap_or_default().as_bytes());
        put_text(to, self.omitted.as_bytes());
    }
}

impl Builds {
    /// Wraps the builds that [`pack_builds`] wrote to the range `at` of `bytes`.
    pub(in crate::store) fn packed(bytes: Arc<Vec<u8>>, at: Range<usize>) -> Self {
        let records = OnceLock::new();
        Builds { bytes, at, records }
    }

    /// Packs records that have already been read.
    pub(in crate::store) fn of(records: Vec<BuildRecord>) -> Self {
        Builds::with_attached(records, &[])
    }

    /// Packs records that have already been read, with what is attached to the realization.
    pub(in crate::store) fn with_attached(
        records: Vec<BuildRecord>,
        attached: &[BuildRecord],
    ) -> Self {
        let mut bytes = Vec::new();
        pack_builds(&mut bytes, &records, attached);
        Builds {
            at: 0..bytes.len(),
            bytes: bytes.into(),
            records: OnceLock::from(records.into_boxed_slice()),
        }
    }

    /// Returns the complete records, calling `read` for the current ones on first use.
    pub(in crate::store) fn records(
        &self,
        read: impl FnOnce() -> Vec<BuildRecord>,
    ) -> &[BuildRecord] {
        self.records.get_or_init(|| {
            let known: Vec<Uuid> = self.each().map(|(id, _)| id).collect();
            let mut records = read();
            // Records added later were not part of the decision.
            records.retain(|record| known.contains(&record.id));
            records.into()
        })
    }

    /// Returns the fields that decisions need, oldest first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = BuildHead<'_>> {
        self.each().map(|(_, head)| head)
    }

    /// Returns the fields that decisions need, oldest first, with the identifiers of the records.
    pub(crate) fn identified(&self) -> impl Iterator<Item = (Uuid, BuildHead<'_>)> {
        self.each()
    }

    /// Returns the notes and tags that count, oldest first.
    pub(in crate::store) fn remarks(&self) -> Vec<Remark> {
        let mut reader = Reader(self.packed_bytes());
        let _builds = reader.bytes();
        attached::remarks(reader.0)
    }

    /// Returns the records whose logs are series, each with the build that recorded it.
    pub(in crate::store) fn series(&self) -> impl Iterator<Item = (Uuid, Uuid)> {
        let mut reader = Reader(self.packed_bytes());
        let _builds = reader.bytes();
        attached::series(reader.0)
    }

    /// Returns the record whose log is the series of the newest build that recorded any.
    pub(in crate::store) fn newest_series(&self) -> Option<Uuid> {
        let newest = self
            .series()
            .max_by_key(|(record, build)| (*build, *record));
        newest.map(|(record, _)| record)
    }

    fn each(&self) -> impl Iterator<Item = (Uuid, BuildHead<'_>)> {
        packed(self.packed_bytes())
    }

    fn packed_bytes(&self) -> &[u8] {
        self.bytes.get(self.at.clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Builds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.each().map(|(id, _)| id))
            .finish()
    }
}

/// Iterates over builds that [`pack_builds`] wrote, with their identifiers.
pub(in crate::store) fn packed(bytes: &[u8]) -> impl Iterator<Item = (Uuid, BuildHead<'_>)> {
    let mut reader = Reader(Reader(bytes).bytes().unwrap_or_default());
    std::iter::from_fn(move || read_build(&mut reader))
}

/// Appends build records in packed form: first their size, then each of them, then what is attached to the realization.
pub(in crate::store) fn pack_builds(
    to: &mut Vec<u8>,
    builds: &[BuildRecord],
    attached: &[BuildRecord],
) {
    put_sized(to, |to| {
        for record in builds {
            pack_build(to, record);
        }
    });
    attached::pack(to, attached);
}

/// Appends one build record in packed form.
pub(in crate::store) fn pack_build(to: &mut Vec<u8>, record: &BuildRecord) {
    to.extend_from_slice(record.id.as_bytes());
    to.push(match record.kind {
        BuildKind::Build => 0,
        BuildKind::Import => 1,
        BuildKind::Accept => 2,
    });
    let made_at = record.made_at();
    put_i64(to, made_at.as_second());
    put_u32(to, made_at.subsec_nanosecond().cast_unsigned());
    put_u64(to, record.seconds().to_bits());
    let run = RunOf::of_record(record);
    to.push(u8::from(run.is_some()));
    if let Some(RunOf { index, of }) = run {
        put_u64(to, index as u64);
        put_u64(to, of as u64);
    }
    to.push(u8::from(record.fingerprint.is_some()));
    put_text(
        to,
        record.fingerprint.as_deref().unwrap_or_default().as_bytes(),
    );
    let omitted = match record.omitted.is_empty() {
        true => Vec::new(),
        // Cannot fail: the values were parsed from JSON.
        false => serde_json::to_vec(&record.omitted).unwrap_or_default(),
    };
    put_text(to, &omitted);
}

fn read_build<'a>(from: &mut Reader<'a>) -> Option<(Uuid, BuildHead<'a>)> {
    let id = Uuid::from_bytes(from.array()?);
    let kind = match from.u8()? {
        0 => BuildKind::Build,
        1 => BuildKind::Import,
        2 => BuildKind::Accept,
        _ => return None,
    };
    let (seconds, nanoseconds) = (from.i64()?, from.u32()?);
    let stop = Timestamp::new(seconds, nanoseconds.cast_signed()).ok()?;
    let took = f64::from_bits(from.u64()?);
    let run = match from.u8()? {
        1 => Some(RunOf {
            index: usize::try_from(from.u64()?).ok()?,
            of: usize::try_from(from.u64()?).ok()?,
        }),
        _ => None,
    };
    let has_fingerprint = from.u8()? == 1;
    let fingerprint = from.text()?;
    let omitted = from.text()?;
    let head = BuildHead {
        kind,
        stop,
        seconds: took,
        fingerprint: has_fingerprint.then_some(fingerprint),
        run,
        omitted,
    };
    Some((id, head))
}
