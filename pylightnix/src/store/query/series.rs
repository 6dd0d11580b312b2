//! The series of numbers that stages recorded while they ran.

use serde::Serialize;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

use super::comparison::Series;
use crate::config::RRefId;
use crate::store::disk::regular::open_regular;
use crate::store::disk::there::is_damage;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::series::{Point, SERIES, each_point};
use crate::store::{Realization, RunningBuild, Store};
use crate::{Error, Result};

/// The number of points of a series from which on only every second one is kept, then every fourth one, and so on.
const MANY: usize = 8192;

/// The maximal number of series that are read of one build.
const MAX_SERIES: usize = 4096;

/// A series of numbers that a stage recorded under one name, with [`Build::record`](crate::lens::Build::record).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecordedSeries {
    /// The name.
    pub name: String,
    /// How many numbers were recorded.
    pub count: usize,
    /// The highest step.
    pub step: u64,
    /// The number that was recorded last for that step.
    pub last: f64,
    /// The lowest and the highest of the numbers; `None` if there is none but NaN and infinities.
    pub range: Option<(f64, f64)>,
    /// Steps with their numbers, by step; the last number of each. An evenly spaced sample, if there are very many.
    pub points: Vec<(u64, f64)>,
}

impl RecordedSeries {
    /// Formats the numbers as a sparkline of at most `width` characters: see [`Series::sparkline`].
    pub fn sparkline(&self, width: usize) -> String {
        let series = Series::of(self.values());
        series.map_or_else(String::new, |series| series.sparkline(width))
    }

    pub(super) fn values(&self) -> Vec<f64> {
        self.points.iter().map(|(_, value)| *value).collect()
    }
}

impl Store {
    /// Returns the series that the stage recorded when it made a realization, sorted by name: those of the newest build that
    /// recorded any. Empty if none did.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Train { #[selfref("loss.json")] pub out: SelfRef<Json<f64>>, pub steps: u32 }
    /// #[stage]
    /// fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    ///     let mut loss = 1.0;
    ///     for step in 0..b.steps {
    ///         loss *= 0.5;
    ///         b.record("loss", step.into(), loss)?;
    ///     }
    ///     Ok(TrainOutputs { out: b.out.save(&loss)? })
    /// }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let trained = store.realize(&instantiate(Train::new(4))?)?;
    /// let series = store.series(&trained)?;
    /// assert_eq!((series[0].name.as_str(), series[0].count, series[0].last), ("loss", 4, 0.0625));
    /// assert_eq!(series[0].points[1], (1, 0.25));
    /// println!("{}", series[0].sparkline(16));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the realization is not in the store or is corrupt, or if a system call fails.
    pub fn series(&self, rref: impl AsRef<RRefId>) -> Result<Vec<RecordedSeries>> {
        self.series_in(&self.realization(rref.as_ref())?)
    }

    pub(super) fn series_in(&self, realization: &Realization) -> Result<Vec<RecordedSeries>> {
        let Some(record) = realization.builds.newest_series() else {
            return Ok(Vec::new());
        };
        read_series(&realization.folder().join(BuildRecord::log_name_of(record)))
    }
}

impl RunningBuild {
    /// Returns the series that the stage has recorded so far, sorted by name: see [`Store::series`]. Empty if there are none, and if
    /// the build has just ended.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn series(&self) -> Result<Vec<RecordedSeries>> {
        read_series(&self.folder.join(SERIES))
    }
}

fn read_series(path: &Path) -> Result<Vec<RecordedSeries>> {
    let file = match open_regular(path) {
        Ok((file, _)) => file,
        // Without its file it has no numbers.
        Err(error) if is_damage(&error) => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("open", path, error)),
    };
    let mut all: BTreeMap<String, Reading> = BTreeMap::new();
    each_point(BufReader::with_capacity(64 << 10, file), &mut |point| {
        if let Some(reading) = all.get_mut(&*point.name) {
            reading.add(&point);
        } else if all.len() < MAX_SERIES {
            let mut reading = Reading::default();
            reading.add(&point);
            all.insert(point.name.into_owned(), reading);
        }
    })
    .map_err(|error| Error::io("read", path, error))?;
    let all = all.into_iter();
    Ok(all.map(|(name, reading)| reading.done(name)).collect())
}

/// A series that is being read.
#[derive(Default)]
struct Reading {
    count: usize,
    last: Option<(u64, f64)>,
    range: Option<(f64, f64)>,
    /// In the order in which they were recorded, each `stride`-th one.
    points: Vec<(u64, f64)>,
    /// The number of numbers from one point to the next, less one.
    left_out: usize,
}

impl Reading {
    fn add(&mut self, &Point { step, value, .. }: &Point<'_>) {
        if self.last.is_none_or(|(last, _)| step >= last) {
            self.last = Some((step, value));
        }
        if value.is_finite() {
            let (low, high) = self.range.unwrap_or((value, value));
            self.range = Some((low.min(value), high.max(value)));
        }
        if self.count.is_multiple_of(self.left_out + 1) {
            self.points.push((step, value));
        }
        self.count += 1;
        if self.points.len() >= MANY {
            let mut place = 0;
            self.points.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.left_out = 2 * self.left_out + 1;
        }
    }

    fn done(mut self, name: String) -> RecordedSeries {
        let (step, last) = self.last.unwrap_or((0, f64::NAN));
        self.points.push((step, last));
        // Stable: of equal steps, the last one was recorded last.
        self.points.sort_by_key(|(step, _)| *step);
        let mut points: Vec<(u64, f64)> = Vec::with_capacity(self.points.len());
        for point in self.points {
            match points.last_mut().filter(|before| before.0 == point.0) {
                Some(before) => *before = point,
                None => points.push(point),
            }
        }
        RecordedSeries {
            name,
            count: self.count,
            step,
            last,
            range: self.range,
            points,
        }
    }
}
