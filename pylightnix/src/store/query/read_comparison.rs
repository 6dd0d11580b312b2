//! Compares what runs looked at in one context with what is at the same places in another.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::object::context::Context;
use crate::store::object::reads::{Read, Reads};
use crate::store::object::record::{Outcome, Record};
use crate::store::object::tree::{Entry, EntryKind};
use crate::{ErrorKind, Result};

/// Compares contexts of one derivation at the places that runs looked at. Reads each record at most once.
pub(crate) struct ReadComparison<'a> {
    store: &'a Store,
    /// Whether the stage promises that the path of an artifact leads it to no other.
    paths_are_artifacts: bool,
    records: RefCell<HashMap<RRefId, Arc<Record>>>,
    /// Reads the records that are not in the store.
    elsewhere: Option<&'a ReadRecord<'a>>,
}

/// Reads the record of a realization.
pub(crate) type ReadRecord<'a> = dyn Fn(&RRefId) -> Result<Arc<Record>> + 'a;

/// A context of which a part may not be known yet.
#[derive(Clone, Copy)]
pub(crate) struct ForeseenContext<'a> {
    pub(crate) context: &'a Context,
    /// The dependencies whose realizations are not known; they are taken to come out as before.
    pub(crate) unknown: &'a BTreeSet<DRefId>,
}

impl<'a> ReadComparison<'a> {
    pub(crate) fn new(store: &'a Store, paths_are_artifacts: bool) -> Self {
        ReadComparison {
            store,
            paths_are_artifacts,
            records: RefCell::default(),
            elsewhere: None,
        }
    }

    /// Asks for the records of realizations that are not in the store.
    pub(crate) fn asking(self, elsewhere: &'a ReadRecord<'a>) -> Self {
        ReadComparison {
            elsewhere: Some(elsewhere),
            ..self
        }
    }

    /// Takes these records for those of realizations that are not in the store.
    pub(crate) fn knowing(self, records: &HashMap<RRefId, Arc<Record>>) -> Self {
        self.records.borrow_mut().extend(records.clone());
        self
    }

    /// Returns whether all that was read in the context `old` is the same in `new`. A realization whose record cannot be read
    /// counts as another.
    pub(crate) fn are_same(&self, reads: &Reads, old: &Context, new: ForeseenContext<'_>) -> bool {
        let mut reads = reads.iter();
        reads.all(|read| self.is_same(read, old, new).unwrap_or(false))
    }

    fn is_same(&self, read: &Read, old: &Context, new: ForeseenContext<'_>) -> Result<bool> {
        if let Some((first, _)) = read.of.first()
            && new.unknown.contains(first)
        {
            return Ok(true);
        }
        let (mut old, mut now) = (old.clone(), new.context.clone());
        let mut records = None;
        for (dref, at) in &read.of {
            let (Some(was), Some(is)) = (old.get(dref).get(*at), now.get(dref).get(*at)) else {
                return Ok(false);
            };
            // Whatever was read of it, or below it, is the same.
            if was == is {
                return Ok(true);
            }
            let both = (self.record(was)?, self.record(is)?);
            old = both.0.head().context.clone();
            now = both.1.head().context.clone();
            records = Some(both);
        }
        let is_root = records.is_none();
        let mut numbers = read.numbers.iter();
        let are_as_many = numbers.all(|dref| {
            (is_root && new.unknown.contains(dref)) || old.get(dref).len() == now.get(dref).len()
        });
        Ok(are_as_many && records.is_none_or(|(was, is)| self.is_alike(read, &was, &is)))
    }

    /// Returns the record of a realization.
    pub(crate) fn record(&self, rref: &RRefId) -> Result<Arc<Record>> {
        if let Some(record) = self.records.borrow().get(rref) {
            return Ok(record.clone());
        }
        let record = match (self.store.record(rref), self.elsewhere) {
            (Err(error), Some(elsewhere)) if error.kind() == ErrorKind::Missing => elsewhere(rref)?,
            (record, _) => Arc::new(record?),
        };
        let mut records = self.records.borrow_mut();
        records.insert(rref.clone(), record.clone());
        Ok(record)
    }

    /// Returns whether what was read of one realization is the same in another one.
    fn is_alike(&self, read: &Read, was: &Record, is: &Record) -> bool {
        // References differ.
        if read.reference {
            return false;
        }
        let same_outcome = was.head().outcome == is.head().outcome;
        let same_tree = was.head().tree == is.head().tree;
        if read.outcome && !(same_outcome && (was.head().outcome == Outcome::Ok || same_tree)) {
            return false;
        }
        if same_outcome && same_tree {
            return true;
        }
        let all = read.all || !(self.paths_are_artifacts || read.paths.is_empty());
        let mut artifacts = read.artifacts.union(&read.paths);
        !all && artifacts.all(|path| {
            let there = artifact(was, path);
            there.is_some() && there == artifact(is, path)
        })
    }
}

/// Returns the entries of an artifact; `None` if it does not exist, or if a link in it may lead elsewhere.
fn artifact<'r>(record: &'r Record, path: &str) -> Option<Vec<&'r Entry>> {
    let folder = format!("{path}/");
    let is_of = |entry: &&Entry| entry.path == path || entry.path.starts_with(&folder);
    let entries: Vec<_> = record.manifest().entries().iter().filter(is_of).collect();
    let mut kinds = entries.iter().map(|entry| &entry.kind);
    let has_link = kinds.any(|kind| matches!(kind, EntryKind::Link { .. }));
    (!entries.is_empty() && !has_link).then_some(entries)
}
