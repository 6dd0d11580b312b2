//! All realizations of a store, with what they were made from.

use jiff::Timestamp;
use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::layout::RECORD;
use crate::store::disk::parallel;
use crate::store::object::clock::Clock;
use crate::store::object::realization::{
    each_realization, read_builds, read_record, verified_head,
};
use crate::store::object::record::Outcome;
use crate::{Error, ErrorKind, Result};

/// What is in a store, read without locks: something may have come or gone meanwhile.
pub(in crate::store) struct Survey {
    /// Grouped by derivation.
    pub(in crate::store) found: Vec<Surveyed>,
    /// Every derivation, with where its realizations are in `found`.
    pub(in crate::store) drefs: Vec<(DRefId, Range<usize>)>,
    at: HashMap<RRefId, usize>,
}

/// A realization, and what it takes to decide whether it stays.
pub(in crate::store) struct Surveyed {
    pub(in crate::store) id: RRefId,
    /// Where those are in the survey from which it was made.
    pub(in crate::store) deps: Vec<usize>,
    /// Those from which it was made and that are not in the store.
    pub(in crate::store) missing: Vec<RRefId>,
    /// The sizes of its artifacts and its record.
    pub(in crate::store) bytes: u64,
    /// Whether it is what its stage promised, and no failure.
    pub(in crate::store) is_success: bool,
    /// When its newest build, import or acceptance ended; nothing if that is not known.
    pub(in crate::store) newest: Option<Timestamp>,
    /// The fingerprints in its build records.
    pub(in crate::store) code: Vec<String>,
    /// Why its record cannot be trusted; then it says nothing of what it was made from.
    pub(in crate::store) broken: Option<Error>,
}

impl Survey {
    pub(in crate::store) fn of(store: &Store) -> Result<Self> {
        let drefs = store.drefs()?;
        let read = parallel::map(&drefs, parallel::cores(), |_, dref| read(store, dref))?;
        let mut survey = Survey {
            found: Vec::new(),
            drefs: Vec::new(),
            at: HashMap::new(),
        };
        let mut contexts = Vec::new();
        for (dref, read) in drefs.into_iter().zip(read) {
            let first = survey.found.len();
            for (surveyed, context) in read {
                survey.at.insert(surveyed.id.clone(), survey.found.len());
                survey.found.push(surveyed);
                contexts.push(context);
            }
            survey.drefs.push((dref, first..survey.found.len()));
        }
        for (surveyed, context) in survey.found.iter_mut().zip(contexts) {
            for dep in context {
                match survey.at.get(&dep) {
                    Some(at) => surveyed.deps.push(*at),
                    None => surveyed.missing.push(dep),
                }
            }
        }
        Ok(survey)
    }

    /// Where a realization is in it.
    pub(in crate::store) fn find(&self, rref: &RRefId) -> Option<usize> {
        self.at.get(rref).copied()
    }

    /// Where the realizations of a derivation are in it.
    pub(in crate::store) fn of_derivation(&self, dref: &DRefId) -> Range<usize> {
        match self.drefs.binary_search_by(|(other, _)| other.cmp(dref)) {
            Ok(at) => self.drefs[at].1.clone(),
            Err(_) => 0..0,
        }
    }

    /// Where those are that were made directly from one that is not in the store.
    pub(in crate::store) fn made_from_missing(&self, rref: &RRefId) -> Vec<usize> {
        let all = self.found.iter().enumerate();
        let users = all.filter(|(_, surveyed)| surveyed.missing.contains(rref));
        users.map(|(at, _)| at).collect()
    }

    /// For each realization, where those are that were made from it directly.
    pub(in crate::store) fn dependents(&self) -> Vec<Vec<usize>> {
        let mut dependents = vec![Vec::new(); self.found.len()];
        for (at, surveyed) in self.found.iter().enumerate() {
            for dep in &surveyed.deps {
                dependents[*dep].push(at);
            }
        }
        dependents
    }
}

fn read(store: &Store, dref: &DRefId) -> Result<Vec<(Surveyed, Vec<RRefId>)>> {
    let mut found = Vec::new();
    each_realization(dref, &store.derivation_dir(dref), |id, folder, at| {
        let read = read_record(&folder, at).and_then(|text| {
            text.map(|text| Ok((verified_head(&id, &text, at)?, bytes(&text))))
                .transpose()
        });
        let (head, bytes, broken) = match read {
            // It was removed meanwhile.
            Ok(None) => return Ok(()),
            Ok(Some((head, bytes))) => (Some(head), bytes, None),
            Err(error) if error.kind() == ErrorKind::Store => (None, 0, Some(error)),
            Err(error) => return Err(error),
        };
        let builds = read_builds(folder, at)?.0;
        let clock = Clock::now();
        let newest = match builds.is_empty() {
            true => modified(at).and_then(|time| clock.known(time)),
            false => builds
                .iter()
                .filter_map(|build| clock.known(build.stop))
                .max(),
        };
        let is_success = head
            .as_ref()
            .is_some_and(|head| head.outcome == Outcome::Ok);
        let context = head.map(|head| head.context).unwrap_or_default();
        let surveyed = Surveyed {
            id,
            deps: Vec::new(),
            missing: Vec::new(),
            is_success,
            bytes,
            newest,
            code: builds
                .into_iter()
                .filter_map(|build| build.fingerprint)
                .collect(),
            broken,
        };
        found.push((surveyed, context.realizations().cloned().collect()));
        Ok(())
    })?;
    Ok(found)
}

/// The sizes that a record's `file` lines give, and its own.
fn bytes(text: &str) -> u64 {
    let size = |line: &str| -> Option<u64> { line.rsplit(' ').nth(1)?.parse().ok() };
    let files = text.lines().filter(|line| line.starts_with("file "));
    files.filter_map(size).sum::<u64>() + text.len() as u64
}

/// When it was published, if no build record says it.
fn modified(at: &Path) -> Option<Timestamp> {
    fs::metadata(at.join(RECORD))
        .and_then(|found| found.modified())
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok())
}
