//! Tables of stages that are kept in memory: what is read from a realization never changes.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use super::Reader;
use crate::exit::CommandResult;
use pylightnix::config::RRefId;
use pylightnix::store::{Cell, Comparison};

/// How many numbers of a series are kept: enough for a drawing.
const POINTS: usize = 128;

/// A table of realizations, with the errors of those that cannot be read.
pub(super) struct Kept {
    pub(super) table: Comparison,
    pub(super) left_out: Vec<String>,
}

/// The tables that were used last.
pub(super) struct Tables {
    /// The most bytes to keep.
    memory: u64,
    /// The last used one is the last.
    kept: Mutex<Vec<(u64, u64, Arc<Kept>)>>,
}

impl Tables {
    pub(super) fn new(memory: u64) -> Self {
        Tables {
            memory,
            kept: Mutex::default(),
        }
    }

    /// Returns the table of all realizations of the stages with this name.
    pub(super) fn of_name(&self, reader: &Reader, name: &str) -> CommandResult<Arc<Kept>> {
        let store = &reader.store;
        let mut drefs = store.drefs_beginning(name)?;
        drefs.retain(|dref| dref.name().as_str() == name);
        let mut key = DefaultHasher::new();
        let mut rrefs: Vec<RRefId> = Vec::new();
        let mut left_out = Vec::new();
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
                        rrefs.push(one.id);
                    }
                    Err(unread) => left_out.push(unread.error.to_string()),
                }
            }
        }
        left_out.hash(&mut key);
        let key = key.finish();
        if let Some(found) = self.used(key) {
            return Ok(found);
        }
        let (mut table, unread) = store.compare_readable(&rrefs)?;
        left_out.extend(unread.iter().map(ToString::to_string));
        thin(&mut table);
        let made = Arc::new(Kept { table, left_out });
        self.keep(key, made.clone());
        Ok(made)
    }

    fn used(&self, key: u64) -> Option<Arc<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(of, ..)| *of == key)?;
        let found = kept.remove(at);
        let table = found.2.clone();
        kept.push(found);
        Some(table)
    }

    fn keep(&self, key: u64, table: Arc<Kept>) {
        let bytes = weight(&table.table);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((key, bytes, table));
        let mut all: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        while all > self.memory && !kept.is_empty() {
            all -= kept.remove(0).1;
        }
    }
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
