//! A row of a table: what is read of a realization, and how it is kept.

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::artifacts::{Number, read_numbers};
use super::kept::state_of;
use super::{Cell, Series};
use crate::Result;
use crate::config::{ConfigJson, RRefId};
use crate::store::disk::bytes::{Reader, put_i64, put_sized, put_text, put_u32, put_u64};
use crate::store::{
    BuildKind, BuildRecord, EntryKind, Outcome, Realization, Remark, Store, newest_first,
};

/// The data of a row.
pub(super) struct RowData {
    pub(super) rref: RRefId,
    pub(super) outcome: Outcome,
    pub(super) remarks: Vec<Remark>,
    pub(super) built: Option<Timestamp>,
    /// `None` until it is read.
    pub(super) read: Option<ReadRow>,
}

/// What is read of a realization. It is the same as long as the realization has the same builds.
#[derive(Default)]
pub(in super::super) struct ReadRow {
    /// The config as JSON.
    pub(in super::super) config: Arc<str>,
    /// The fields that the config of the newest build omits.
    pub(in super::super) omitted: BTreeMap<String, serde_json::Value>,
    /// Whether all builds omit the same.
    pub(in super::super) is_omitted_by_all: bool,
    pub(super) fingerprint: Option<String>,
    /// What is known of the environment of the build, by name.
    pub(super) environment: BTreeMap<String, String>,
    pub(in super::super) numbers: Vec<Number>,
    built: Option<Timestamp>,
    pub(super) seconds: Option<f64>,
    pub(super) memory: Option<u64>,
    pub(in super::super) bytes: u64,
    /// The series that the stage recorded, by name.
    pub(super) series: Vec<(String, Series)>,
}

/// A row that was just read.
pub(super) struct JustRead {
    pub(super) row: RowData,
    /// The state of the realization, if what was read may be kept: all was there.
    pub(super) state: Option<[u8; 16]>,
    /// The number of bytes of artifacts that were read.
    pub(super) cost: u64,
}

impl RowData {
    /// Returns what the index knows of a realization.
    pub(super) fn of(realization: &Realization) -> Self {
        let ended = realization.last_built();
        let seconds = realization.build_seconds().unwrap_or_default();
        let took = jiff::SignedDuration::try_from_secs_f64(seconds).ok();
        RowData {
            rref: realization.id.clone(),
            outcome: realization.outcome,
            remarks: realization.remarks(),
            built: ended.and_then(|ended| ended.checked_sub(took?).ok()),
            read: None,
        }
    }

    /// Adds what was kept.
    pub(super) fn with(mut self, read: ReadRow) -> Self {
        self.built = read.built;
        self.read = Some(read);
        self
    }
}

impl Store {
    pub(super) fn read_row(&self, rref: &RRefId) -> Result<JustRead> {
        let realization = self.realization(rref)?;
        let builds = realization.builds();
        let record = self.record(rref)?;
        let made = |build: &&BuildRecord| build.kind == BuildKind::Build;
        let build = newest_first(builds).find(made);
        let by = build.or(newest_first(builds).next());
        let entries = record.manifest().entries();
        let sizes = entries.iter().map(|entry| match entry.kind {
            EntryKind::File { size, .. } => size,
            _ => 0,
        });
        let bytes = sizes.sum();
        let numbers = read_numbers(&self.out_dir(rref), entries)?;
        let series = self.series_in(&realization)?;
        let lacks_series = series.is_empty() && realization.builds.newest_series().is_some();
        let omitted = by.map(|build| build.omitted.clone()).unwrap_or_default();
        let built = by
            .filter(|build| build.ended().is_some())
            .map(|build| build.start);
        let is_whole = !numbers.is_damaged
            && !lacks_series
            && !realization.is_stub
            && realization.unreadable.is_empty()
            // Times ahead of this machine's clock count when it has come to them.
            && builds.iter().all(|build| build.ended().is_some());
        let state = is_whole.then(|| state_of(&realization));
        let config: ConfigJson = self.config(rref.dref())?;
        let read = ReadRow {
            config: config.raw()?.get().into(),
            is_omitted_by_all: builds.iter().all(|build| build.omitted == omitted),
            omitted,
            fingerprint: by.and_then(|build| build.fingerprint.clone()),
            environment: build
                .map(BuildRecord::environment_values)
                .unwrap_or_default(),
            numbers: numbers.numbers,
            built,
            seconds: build.map(BuildRecord::seconds),
            memory: build.and_then(|build| build.peak_memory),
            bytes,
            series: series
                .into_iter()
                .filter_map(|one| {
                    let len = one.count;
                    let series = Series::of(one.values())?;
                    Some((one.name, Series { len, ..series }))
                })
                .collect(),
        };
        Ok(JustRead {
            row: RowData {
                rref: rref.clone(),
                outcome: realization.outcome,
                remarks: realization.remarks(),
                built,
                read: Some(read),
            },
            state,
            cost: numbers.bytes,
        })
    }
}

impl ReadRow {
    /// Returns the last number of a recorded series.
    pub(in super::super) fn last_of_series(&self, name: &str) -> Option<f64> {
        let series = self.series.iter().find(|(one, _)| one == name);
        series.and_then(|(_, series)| series.values.last().copied())
    }

    /// Appends the row in the form of [`unpacked`](Self::unpacked).
    pub(super) fn pack(&self, to: &mut Vec<u8>) {
        // Cannot fail: maps with texts as keys are JSON.
        let json = |value: serde_json::Result<Vec<u8>>| value.unwrap_or_default();
        put_text(to, self.config.as_bytes());
        put_text(to, &json(serde_json::to_vec(&self.omitted)));
        to.push(u8::from(self.is_omitted_by_all));
        put_text(to, &json(serde_json::to_vec(&self.environment)));
        put_option(to, self.fingerprint.as_ref(), |to, text| {
            put_text(to, text.as_bytes());
        });
        put_option(to, self.built, |to, time| {
            put_i64(to, time.as_second());
            put_u32(to, time.subsec_nanosecond().cast_unsigned());
        });
        put_option(to, self.seconds, |to, seconds| {
            put_u64(to, seconds.to_bits());
        });
        put_option(to, self.memory, put_u64);
        put_u64(to, self.bytes);
        put_sized(to, |to| {
            for number in &self.numbers {
                put_text(to, number.file.as_bytes());
                put_text(to, number.way.as_bytes());
                match &number.cell {
                    Cell::Value(value) => {
                        to.push(0);
                        put_text(to, value.to_string().as_bytes());
                    }
                    Cell::Series(series) => {
                        to.push(1);
                        put_series(to, series);
                    }
                }
            }
        });
        put_sized(to, |to| {
            for (name, series) in &self.series {
                put_text(to, name.as_bytes());
                put_series(to, series);
            }
        });
    }

    /// Reads what [`pack`](Self::pack) wrote; `None` if it is anything else.
    pub(super) fn unpacked(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let mut row = ReadRow {
            config: from.text()?.into(),
            omitted: serde_json::from_slice(from.bytes()?).ok()?,
            is_omitted_by_all: from.u8()? != 0,
            environment: serde_json::from_slice(from.bytes()?).ok()?,
            ..ReadRow::default()
        };
        row.fingerprint = option(&mut from, |from| from.text().map(str::to_owned))?;
        row.built = option(&mut from, |from| {
            let (second, nanosecond) = (from.i64()?, from.u32()?);
            Timestamp::new(second, nanosecond.try_into().ok()?).ok()
        })?;
        row.seconds = option(&mut from, |from| from.u64().map(f64::from_bits))?;
        row.memory = option(&mut from, Reader::u64)?;
        row.bytes = from.u64()?;
        let mut numbers = Reader(from.bytes()?);
        while !numbers.0.is_empty() {
            row.numbers.push(Number {
                file: numbers.text()?.to_owned(),
                way: numbers.text()?.to_owned(),
                cell: match numbers.u8()? {
                    0 => Cell::Value(serde_json::from_slice(numbers.bytes()?).ok()?),
                    _ => Cell::Series(series(&mut numbers)?),
                },
            });
        }
        let mut all = Reader(from.bytes()?);
        while !all.0.is_empty() {
            row.series.push((all.text()?.to_owned(), series(&mut all)?));
        }
        Some(row)
    }
}

fn put_option<T>(to: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    to.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(to, value);
    }
}

/// Takes a value that may be missing; `None` if the bytes are anything else.
fn option<'a, T>(
    from: &mut Reader<'a>,
    take: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match from.u8()? {
        0 => Some(None),
        _ => take(from).map(Some),
    }
}

fn put_series(to: &mut Vec<u8>, series: &Series) {
    put_u64(to, series.len as u64);
    put_sized(to, |to| {
        for value in &series.values {
            put_u64(to, value.to_bits());
        }
    });
}

fn series(from: &mut Reader<'_>) -> Option<Series> {
    let len = from.u64()? as usize;
    let mut all = Reader(from.bytes()?);
    let mut values = Vec::with_capacity(all.0.len() / 8);
    while !all.0.is_empty() {
        values.push(f64::from_bits(all.u64()?));
    }
    Some(Series { len, values })
}
