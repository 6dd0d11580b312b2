//! Reading numbers from artifacts without knowing the types of their stages.

use std::path::Path;

use super::{Cell, Series, npy};
use crate::config::{FieldPath, PathStep, RawValue, joined, object_parts};
use crate::store::disk::regular;
use crate::store::disk::there::is_damage;
use crate::store::{Entry, EntryKind};
use crate::{Error, Result};

/// Larger files are skipped.
const MAX_FILE_SIZE: u64 = 64 << 20;

/// Maximum number of numbers read from one file.
const MAX_NUMBERS: usize = 256;

/// Maximum number of values kept of a series.
const MAX_VALUES: usize = 1000;

/// A number, or a series of numbers, in an artifact.
#[derive(Clone)]
pub(in super::super) struct Number {
    /// The path of the artifact.
    pub(in super::super) file: String,
    /// The path in the artifact; empty for the whole content.
    pub(in super::super) way: String,
    pub(in super::super) cell: Cell,
}

impl Number {
    /// Returns the short name: `scores.accuracy` for `accuracy` in `scores.json`.
    pub(in super::super) fn name(&self) -> String {
        let file = self.file.strip_suffix(".json");
        let file = file.or_else(|| self.file.strip_suffix(".npy"));
        self.named(file.unwrap_or(&self.file))
    }

    /// Returns the name with the file's extension: `scores.json.accuracy`.
    pub(in super::super) fn full_name(&self) -> String {
        self.named(&self.file)
    }

    fn named(&self, file: &str) -> String {
        match self.way.as_str() {
            "" => file.to_owned(),
            way if way.starts_with('[') => format!("{file}{way}"),
            way => format!("{file}.{way}"),
        }
    }
}

/// The numbers of artifacts.
#[derive(Default)]
pub(super) struct ReadNumbers {
    pub(super) numbers: Vec<Number>,
    /// The number of bytes that were read for them.
    pub(super) bytes: u64,
    /// Whether a file with numbers is not there, or is damaged.
    pub(super) is_damaged: bool,
}

/// Reads the numbers in the artifacts in `out`.
pub(in super::super) fn numbers(out: &Path, entries: &[Entry]) -> Result<Vec<Number>> {
    Ok(read_numbers(out, entries)?.numbers)
}

/// Reads the numbers in the artifacts in `out`, and says how that went.
pub(super) fn read_numbers(out: &Path, entries: &[Entry]) -> Result<ReadNumbers> {
    let mut read = ReadNumbers::default();
    for entry in entries {
        let EntryKind::File { size, .. } = entry.kind else {
            continue;
        };
        let file = &entry.path;
        let (is_json, is_npy) = (file.ends_with(".json"), file.ends_with(".npy"));
        if size > MAX_FILE_SIZE || !(is_json || is_npy) {
            continue;
        }
        let path = out.join(file);
        let bytes = match regular::read(&path) {
            Ok(bytes) => bytes,
            // Reporting damage is the task of `check`.
            Err(error) if is_damage(&error) => {
                read.is_damaged = true;
                continue;
            }
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        read.is_damaged |= bytes.len() as u64 != size;
        read.bytes += size;
        let mut add = |way: String, cell: Cell| {
            let file = file.clone();
            read.numbers.push(Number { file, way, cell });
        };
        if is_npy {
            if let Some(cell) = npy::values(&bytes).and_then(cell_of) {
                add(String::new(), cell);
            }
        } else if let Ok(whole) = serde_json::from_slice::<&RawValue>(&bytes) {
            for (way, cell) in in_json(whole) {
                add(way, cell);
            }
        }
    }
    Ok(read)
}

/// Returns the numbers in a JSON value in document order, with their paths.
fn in_json(whole: &RawValue) -> Vec<(String, Cell)> {
    let mut found = Vec::new();
    let mut waiting = vec![(String::new(), whole)];
    while let Some((way, value)) = waiting.pop() {
        if found.len() >= MAX_NUMBERS {
            break;
        }
        if let Some(parts) = object_parts(value) {
            for (name, value) in parts.into_iter().rev() {
                let way = joined(&way, &PathStep::Key(name));
                // Skip keys that a path cannot express.
                if FieldPath::parse(&way).is_ok() {
                    waiting.push((way, value));
                }
            }
        } else if let Ok(number) = serde_json::from_str::<serde_json::Number>(value.get()) {
            found.push((way, Cell::Value(number.into())));
        } else if let Ok(items) = serde_json::from_str::<Vec<Option<f64>>>(value.get()) {
            let values = items.into_iter().map(|item| item.unwrap_or(f64::NAN));
            let series = Series::of(values.collect());
            found.extend(series.map(|series| (way, Cell::Series(series))));
        }
    }
    found
}

/// Converts an array to a cell; one number is a value rather than a series.
fn cell_of(values: npy::Values) -> Option<Cell> {
    match (values.is_one, values.values.first()) {
        (true, Some(one)) => Some(Cell::Value((*one).into())),
        _ => Series::of(values.values).map(Cell::Series),
    }
}

impl Series {
    /// Creates a series of these values; `None` if there are none. Of more than 1,000, it keeps a sample.
    pub fn of(all: Vec<f64>) -> Option<Self> {
        let len = all.len();
        let values = match len {
            0 => return None,
            1..=MAX_VALUES => all,
            _ => (0..MAX_VALUES)
                .map(|at| all[at * (len - 1) / (MAX_VALUES - 1)])
                .collect(),
        };
        Some(Series { len, values })
    }

    /// Formats the values as a sparkline of at most `width` characters, scaled from the minimum to the maximum: `▁▃█`. A dot
    /// stands for values that are not numbers.
    ///
    /// Uses Unicode block elements, as [spark](https://github.com/holman/spark) does.
    pub fn sparkline(&self, width: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let finite = || {
            self.values
                .iter()
                .copied()
                .filter(|value| value.is_finite())
        };
        let low = finite().fold(f64::INFINITY, f64::min);
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        let width = width.min(self.values.len());
        let bar = |at: usize| {
            // The mean of the values that share a character.
            let from = at * self.values.len() / width;
            let to = ((at + 1) * self.values.len() / width).max(from + 1);
            let there = self.values[from..to].iter();
            let there: Vec<f64> = there.copied().filter(|value| value.is_finite()).collect();
            if there.is_empty() {
                return '·';
            }
            // Halved, as the difference of two finite numbers may overflow.
            let mean = there
                .iter()
                .map(|value| value / there.len() as f64)
                .sum::<f64>();
            let share = (mean / 2. - low / 2.) / (high / 2. - low / 2.);
            match share.is_nan() {
                true => BARS[3],
                false => BARS[((share * 8.) as usize).min(7)],
            }
        };
        (0..width).map(bar).collect()
    }
}
