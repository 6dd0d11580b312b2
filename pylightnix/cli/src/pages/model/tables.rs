//! Tables of stages that are kept in memory: what is read from a realization never changes. A long one is read in a thread of its own, and
//! shown as far as it is read.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Reader;
use crate::exit::CommandResult;
use pylightnix::internal::ComparisonByParts;
use pylightnix::store::{Cell, Comparison, Realization, Store};

/// How many numbers of a series are kept: enough for a drawing.
const POINTS: usize = 128;
/// Tables with fewer rows that are not read are read at once.
const FEW: usize = 500;
/// How many rows are read between two releases of the lock, at which requests get the table as far as it is read.
const PART: usize = 250;
/// How long a page waits for a table that may be read soon.
const SOON: Duration = Duration::from_millis(120);

/// A table of realizations, with the errors of those that cannot be read.
pub(super) struct Kept {
    pub(super) table: Comparison,
    pub(super) left_out: Vec<String>,
    /// How far it is read, until it is whole.
    pub(super) progress: Option<Progress>,
}

/// How many rows of a table are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) read: usize,
    pub(crate) all: usize,
}

/// The tables that were used last, and those that are being read.
pub(super) struct Tables {
    /// The most bytes to keep.
    memory: u64,
    /// The last used one is the last.
    kept: Mutex<Vec<(u64, u64, Arc<Kept>)>>,
    /// By the name of the stage.
    reading: Mutex<HashMap<String, Arc<Reading>>>,
}

/// A table that is being read.
struct Reading {
    all: usize,
    left_out: Vec<String>,
    /// `None` once it is read.
    parts: Mutex<Option<ComparisonByParts>>,
}

/// What the index knows of the stages with a name.
struct Listed {
    rows: Vec<Realization>,
    left_out: Vec<String>,
    /// Differs when anything does that a table shows.
    key: u64,
}

impl Tables {
    pub(super) fn new(memory: u64) -> Self {
        Tables {
            memory,
            kept: Mutex::default(),
            reading: Mutex::default(),
        }
    }

    /// Returns the table of all realizations of the stages with this name. Where realizations are chosen, it is whole.
    pub(super) fn of_name(
        self: &Arc<Self>,
        reader: &Reader,
        name: &str,
    ) -> CommandResult<Arc<Kept>> {
        let Listed {
            rows,
            left_out,
            key,
        } = listed(reader, name)?;
        if let Some(found) = self.used(key) {
            return Ok(found);
        }
        let under_way = lock(&self.reading).get(name).cloned();
        if let Some(reading) = under_way
            && let Some(part) = reading.part()?
        {
            return Ok(part);
        }
        let all = rows.len();
        let mut parts = ComparisonByParts::new(&reader.store, rows)?;
        if parts.left() < FEW || reader.chosen().is_some() {
            parts.read(usize::MAX)?;
            return self.keep(key, parts, left_out);
        }
        let reading = Arc::new(Reading {
            all,
            left_out,
            parts: Mutex::new(Some(parts)),
        });
        lock(&self.reading).insert(name.to_owned(), reading.clone());
        let (tables, read) = (self.clone(), reading.clone());
        let started = thread::Builder::new().name("numbers".to_owned());
        let started = started.spawn(move || tables.read_all(key, &read))?;
        let begin = Instant::now();
        while begin.elapsed() < SOON && !started.is_finished() {
            thread::sleep(Duration::from_millis(5));
        }
        match (self.used(key), reading.part()?) {
            (Some(whole), _) => Ok(whole),
            (None, Some(part)) => Ok(part),
            // It was too large to be kept, or was read just now.
            (None, None) => {
                let listed = listed(reader, name)?;
                let mut parts = ComparisonByParts::new(&reader.store, listed.rows)?;
                parts.read(usize::MAX)?;
                self.keep(listed.key, parts, listed.left_out)
            }
        }
    }

    /// Returns how far the table of a name is read, while it is being read.
    pub(super) fn progress(&self, name: &str) -> Option<Progress> {
        let reading = lock(&self.reading).get(name).cloned()?;
        reading.progress()
    }

    fn read_all(&self, key: u64, reading: &Reading) {
        let mut is_going = true;
        while is_going {
            let mut parts = lock(&reading.parts);
            is_going = match parts.as_mut().map(|parts| (parts.read(PART), parts.left())) {
                Some((Ok(()), left)) => left > 0,
                // Whoever asks next tries again, and is told.
                Some((Err(_), _)) | None => false,
            };
            if !is_going && let Some(parts) = parts.take() {
                let _ = self.keep(key, parts, reading.left_out.clone());
            }
            drop(parts);
            // Who waits for the lock has it first.
            thread::sleep(Duration::from_millis(1));
        }
        lock(&self.reading).retain(|_, one| !std::ptr::eq(&raw const **one, reading));
    }

    fn used(&self, key: u64) -> Option<Arc<Kept>> {
        let mut kept = lock(&self.kept);
        let at = kept.iter().position(|(of, ..)| *of == key)?;
        let found = kept.remove(at);
        let table = found.2.clone();
        kept.push(found);
        Some(table)
    }

    /// Keeps a table that is read.
    fn keep(
        &self,
        key: u64,
        parts: ComparisonByParts,
        mut left_out: Vec<String>,
    ) -> CommandResult<Arc<Kept>> {
        let (mut table, unread) = parts.end()?;
        left_out.extend(unread.iter().map(ToString::to_string));
        thin(&mut table);
        let bytes = weight(&table);
        let made = Arc::new(Kept {
            table,
            left_out,
            progress: None,
        });
        let mut kept = lock(&self.kept);
        kept.push((key, bytes, made.clone()));
        let mut all: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        while all > self.memory && !kept.is_empty() {
            all -= kept.remove(0).1;
        }
        Ok(made)
    }
}

impl Reading {
    /// Returns the table as far as it is read; `None` once it is whole.
    fn part(&self) -> CommandResult<Option<Arc<Kept>>> {
        let parts = lock(&self.parts);
        let Some(parts) = parts.as_ref() else {
            return Ok(None);
        };
        let mut table = parts.table()?;
        thin(&mut table);
        let read = self.all - parts.left();
        Ok(Some(Arc::new(Kept {
            table,
            left_out: self.left_out.clone(),
            progress: Some(Progress {
                read,
                all: self.all,
            }),
        })))
    }

    fn progress(&self) -> Option<Progress> {
        let parts = lock(&self.parts);
        let read = self.all - parts.as_ref()?.left();
        let all = self.all;
        Some(Progress { read, all })
    }
}

fn listed(reader: &Reader, name: &str) -> CommandResult<Listed> {
    let store: &Store = &reader.store;
    let mut drefs = store.drefs_beginning(name)?;
    drefs.retain(|dref| dref.name().as_str() == name);
    let mut key = DefaultHasher::new();
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    for (_, found) in store.realizations_of_each(&drefs) {
        for found in found {
            match found {
                Ok(one) if !reader.shows(&one.id) => {}
                Ok(one) => {
                    std::hash::Hash::hash(&one.id, &mut key);
                    one.build_count().hash(&mut key);
                    one.is_stub().hash(&mut key);
                    for remark in one.remarks() {
                        remark.id.hash(&mut key);
                    }
                    rows.push(one);
                }
                Err(unread) => left_out.push(unread.error.to_string()),
            }
        }
    }
    left_out.hash(&mut key);
    Ok(Listed {
        rows,
        left_out,
        key: key.finish(),
    })
}

fn lock<T>(part: &Mutex<T>) -> MutexGuard<'_, T> {
    // No panic can leave a table half written.
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves as many numbers of each series as a drawing needs, the last one included.
fn thin(table: &mut Comparison) {
    for cell in table.rows.iter_mut().flat_map(|row| &mut row.cells) {
        if let Some(Cell::Series(series)) = cell
            && series.values.len() > POINTS
        {
            let last = series.values.len() - 1;
            let thin = (0..POINTS).map(|at| series.values[at * last / (POINTS - 1)]);
            series.values = thin.collect();
        }
    }
}

/// Returns about how many bytes a table takes.
fn weight(table: &Comparison) -> u64 {
    let cell = |cell: &Option<Cell>| match cell {
        Some(Cell::Series(series)) => 80 + 8 * series.values.len(),
        _ => 96,
    };
    let rows = table
        .rows
        .iter()
        .map(|row| 200 + row.cells.iter().map(cell).sum::<usize>());
    rows.sum::<usize>() as u64
}
