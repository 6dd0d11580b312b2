//! The builds of a realization, as they are kept in memory and in the index: what decisions are made by. The rest is read
//! when somebody asks for it.

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

use crate::store::disk::bytes::{Reader, put_i64, put_text, put_u32, put_u64};
use crate::store::object::build_record::{BuildKind, BuildRecord};

/// The builds, imports and acceptances of a realization, oldest first.
#[derive(Clone)]
pub(crate) struct Builds {
    bytes: Arc<Vec<u8>>,
    at: Range<usize>,
    records: OnceLock<Box<[BuildRecord]>>,
}

/// What decisions are made by.
pub(crate) struct BuildHead<'a> {
    /// Why it is there.
    pub(crate) kind: BuildKind,
    /// When it ended.
    pub(crate) stop: Timestamp,
    /// How long it took.
    pub(crate) seconds: f64,
    pub(crate) fingerprint: Option<&'a str>,
    /// Which run of the stage it was, and of how many. Without one it stands for all.
    pub(crate) run: Option<RunOf>,
    /// JSON; empty for none.
    omitted: &'a str,
}

/// Which run of a stage it was, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunOf {
    pub(crate) index: usize,
    pub(crate) of: usize,
}

impl RunOf {
    /// What a record tells.
    fn told(record: &BuildRecord) -> Option<Self> {
        let (index, of) = (record.index?, record.of?);
        (index < of).then_some(RunOf { index, of })
    }
}

impl BuildRecord {
    /// Whether it is one of several runs.
    pub(in crate::store) fn is_of_several(&self) -> bool {
        RunOf::told(self).is_some_and(|run| run.of > 1)
    }
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
    pub(in crate::store) fn packed(bytes: Arc<Vec<u8>>, at: Range<usize>) -> Self {
        let records = OnceLock::new();
        Builds { bytes, at, records }
    }

    /// Those that were read.
    pub(in crate::store) fn of(records: Vec<BuildRecord>) -> Self {
        let mut bytes = Vec::new();
        pack_builds(&mut bytes, &records);
        Builds {
            at: 0..bytes.len(),
            bytes: bytes.into(),
            records: OnceLock::from(records.into_boxed_slice()),
        }
    }

    /// The whole records, of which `read` gives all that are there now.
    pub(in crate::store) fn records(
        &self,
        read: impl FnOnce() -> Vec<BuildRecord>,
    ) -> &[BuildRecord] {
        self.records.get_or_init(|| {
            let known: Vec<Uuid> = self.each().map(|(id, _)| id).collect();
            let mut records = read();
            // What came since is not what the decision was made by.
            records.retain(|record| known.contains(&record.id));
            records.into()
        })
    }

    /// What decisions are made by, oldest first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = BuildHead<'_>> {
        self.each().map(|(_, head)| head)
    }

    fn each(&self) -> impl Iterator<Item = (Uuid, BuildHead<'_>)> {
        packed(self.bytes.get(self.at.clone()).unwrap_or_default())
    }
}

impl fmt::Debug for Builds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.each().map(|(id, _)| id))
            .finish()
    }
}

/// The builds that lie in `bytes`, where [`pack_builds`] put them, each with its identifier.
pub(in crate::store) fn packed(bytes: &[u8]) -> impl Iterator<Item = (Uuid, BuildHead<'_>)> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || read_build(&mut reader))
}

/// Puts build records where [`Builds`] find them again.
pub(in crate::store) fn pack_builds(to: &mut Vec<u8>, builds: &[BuildRecord]) {
    for record in builds {
        pack_build(to, record);
    }
}

/// The same for one.
pub(in crate::store) fn pack_build(to: &mut Vec<u8>, record: &BuildRecord) {
    to.extend_from_slice(record.id.as_bytes());
    to.push(match record.kind {
        BuildKind::Build => 0,
        BuildKind::Import => 1,
        BuildKind::Accept => 2,
    });
    put_i64(to, record.stop.as_second());
    put_u32(to, record.stop.subsec_nanosecond().cast_unsigned());
    put_u64(to, record.seconds().to_bits());
    let run = RunOf::told(record);
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
        // What was read as JSON can be written as JSON.
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
