//! A comparison that is read a number of rows at a time, so that a page can show the first rows before the last ones are read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use super::Comparison;
use super::columns::table_of;
use super::kept::{KeptRows, state_of};
use super::row::RowData;
use crate::config::{DRefId, RRefId};
use crate::store::disk::parallel;
use crate::store::{Realization, Store};
use crate::{Error, Result};

/// Tables of fewer realizations do without what is kept: asking for it would read more than it spares.
const FEW: usize = 8;

/// A table of realizations, of which some rows are read and some are not.
pub struct ComparisonByParts {
    store: Store,
    rows: Vec<RowData>,
    /// What is left to read, with what is known of it already. The last is read first.
    waiting: Vec<(RRefId, Option<RowData>)>,
    unread: Vec<Error>,
    kept: BTreeMap<String, KeptRows>,
}

impl fmt::Debug for ComparisonByParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, left) = (self.rows.len(), self.waiting.len());
        write!(f, "ComparisonByParts({read} read, {left} left)")
    }
}

impl ComparisonByParts {
    /// Begins with realizations as the index knows them, and with all that is kept of them.
    pub fn new(store: &Store, of: Vec<Realization>) -> Result<Self> {
        let mut table = Self::empty(store, of.iter().map(|one| &one.id))?;
        for one in of {
            table.begin(&one);
        }
        Ok(table)
    }

    /// Begins with references. The index is asked only where something is kept.
    pub(super) fn of_references(store: &Store, mut of: Vec<RRefId>) -> Result<Self> {
        let mut seen = HashSet::new();
        of.retain(|rref| seen.insert(rref.clone()));
        let mut table = Self::empty(store, of.iter())?;
        let has_kept = |rref: &&RRefId| !table.kept[rref.name().as_str()].is_empty();
        let drefs: BTreeSet<&DRefId> = of.iter().filter(has_kept).map(RRefId::dref).collect();
        let drefs: Vec<DRefId> = drefs.into_iter().cloned().collect();
        let mut known: HashMap<RRefId, Realization> = HashMap::new();
        if of.len() >= FEW {
            let found = store.realizations_in(&drefs).flat_map(|(_, found)| found);
            known.extend(found.flatten().map(|one| (one.id.clone(), one)));
        }
        for rref in of {
            match known.get(&rref) {
                Some(one) => table.begin(one),
                None => table.waiting.push((rref, None)),
            }
        }
        Ok(table)
    }

    fn empty<'r>(store: &Store, of: impl Iterator<Item = &'r RRefId> + Clone) -> Result<Self> {
        store.use_derivations(of.clone().map(RRefId::dref))?;
        let names: BTreeSet<&str> = of.map(|rref| rref.name().as_str()).collect();
        let kept = names.into_iter();
        let kept = kept.map(|name| (name.to_owned(), KeptRows::of_name(store, name)));
        Ok(ComparisonByParts {
            kept: kept.collect(),
            store: store.clone(),
            rows: Vec::new(),
            waiting: Vec::new(),
            unread: Vec::new(),
        })
    }

    /// Takes what is kept of a realization, or has it wait.
    fn begin(&mut self, one: &Realization) {
        let row = RowData::of(one);
        let kept = self.kept.get(one.id.name().as_str());
        match kept.and_then(|kept| kept.get(&one.id, &state_of(one))) {
            Some(kept) => self.rows.push(row.with(kept)),
            None => self.waiting.push((one.id.clone(), Some(row))),
        }
    }

    /// Returns how many rows are not read yet.
    pub fn left(&self) -> usize {
        self.waiting.len()
    }

    /// Reads at most this many rows.
    ///
    /// # Errors
    /// Fails if a system call fails for another reason than a realization that cannot be read.
    pub fn read(&mut self, most: usize) -> Result<()> {
        let from = self.waiting.len().saturating_sub(most);
        let part: Vec<RRefId> = self.waiting.drain(from..).map(|(rref, _)| rref).collect();
        let rows = parallel::map(&part, parallel::cores(), |_, rref| {
            Ok(self.store.read_row(rref))
        })?;
        for row in rows {
            match row {
                Ok(read) => {
                    let kept = self.kept.get_mut(read.row.rref.name().as_str());
                    if let (Some(kept), Some(state), Some(row)) =
                        (kept, &read.state, &read.row.read)
                    {
                        kept.add(&read.row.rref, state, row, read.cost);
                    }
                    self.rows.push(read.row);
                }
                Err(error) => self.unread.push(error),
            }
        }
        for kept in self.kept.values_mut() {
            match self.waiting.is_empty() {
                true => kept.save(&self.store),
                false => kept.save_some(&self.store),
            }
        }
        Ok(())
    }

    /// Returns the table as far as it is read. Other rows have what the index knows.
    ///
    /// # Errors
    /// Fails if a config cannot be read.
    pub fn table(&self) -> Result<Comparison> {
        let waiting = self.waiting.iter().filter_map(|(_, row)| row.as_ref());
        table_of(&self.store, self.rows.iter().chain(waiting).collect())
    }

    /// Returns the table, with the errors of the rows that could not be read.
    ///
    /// # Errors
    /// As [`table`](Self::table).
    pub fn end(mut self) -> Result<(Comparison, Vec<Error>)> {
        let unread = std::mem::take(&mut self.unread);
        Ok((self.table()?, unread))
    }
}
