//! Surveys: all realizations of a store with their dependencies.

use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::durable::touch;
use crate::store::disk::layout::RECORD;
use crate::store::disk::parallel;
use crate::store::object::clock::Clock;
use crate::store::object::realization::{
    each_realization, read_builds, read_record, verified_head,
};
use crate::store::object::record::Outcome;
use crate::store::object::tree::TreeDigest;
use crate::{Error, ErrorKind, Result};

/// The content of a store, read without locks; it may change during the survey.
pub(in crate::store) struct Survey {
    /// All realizations, grouped by derivation.
    pub(in crate::store) found: Vec<Surveyed>,
    /// All derivations, with the range of their realizations in `found`.
    pub(in crate::store) drefs: Vec<(DRefId, Range<usize>)>,
    /// The realizations that have a stub besides, since the process died that filled it.
    pub(in crate::store) filled: Vec<RRefId>,
    at: HashMap<RRefId, usize>,
}

/// A realization and the facts that garbage collection needs.
pub(in crate::store) struct Surveyed {
    pub(in crate::store) id: RRefId,
    /// The direct dependencies, as positions in the survey.
    pub(in crate::store) deps: Vec<usize>,
    /// The direct dependencies that are not in the store.
    pub(in crate::store) missing: Vec<RRefId>,
    /// The total size of the artifacts and the record; of a stub that of the record.
    pub(in crate::store) bytes: u64,
    /// Whether its files are not in the store.
    pub(in crate::store) is_stub: bool,
    /// The tree digest of the artifacts, unless the record is corrupt.
    pub(in crate::store) tree: Option<TreeDigest>,
    /// Whether the outcome is a success.
    pub(in crate::store) is_success: bool,
    /// When the newest build, import or acceptance ended, or was carried here, if known.
    pub(in crate::store) newest: Option<Timestamp>,
    /// The code fingerprints in the build records.
    pub(in crate::store) code: Vec<String>,
    /// The reason why the record is corrupt, if it is; the dependencies are then unknown.
    pub(in crate::store) broken: Option<Error>,
}

impl Surveyed {
    /// Returns the folder of the realization or the stub.
    pub(in crate::store) fn folder(&self, store: &Store) -> PathBuf {
        match self.is_stub {
            true => store.layout().stub(&self.id),
            false => store.realization_dir(&self.id),
        }
    }

    /// Shows the index that a stub is gone, whose folder is not in that of its derivation.
    pub(in crate::store) fn show_gone(&self, store: &Store) -> Result<()> {
        match self.is_stub {
            true => touch(&store.derivation_dir(self.id.dref())),
            false => Ok(()),
        }
    }
}

impl Survey {
    pub(in crate::store) fn of(store: &Store) -> Result<Self> {
        let drefs = store.drefs()?;
        let read = parallel::map(&drefs, parallel::cores(), |_, dref| read(store, dref))?;
        let mut survey = Survey {
            found: Vec::new(),
            drefs: Vec::new(),
            filled: Vec::new(),
            at: HashMap::new(),
        };
        let mut contexts = Vec::new();
        for (dref, read) in drefs.into_iter().zip(read) {
            let first = survey.found.len();
            let (read, filled) = read;
            survey.filled.extend(filled);
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

    /// Returns the position of a realization.
    pub(in crate::store) fn find(&self, rref: &RRefId) -> Option<usize> {
        self.at.get(rref).copied()
    }

    /// Returns the range of a derivation's realizations.
    pub(in crate::store) fn of_derivation(&self, dref: &DRefId) -> Range<usize> {
        match self.drefs.binary_search_by(|(other, _)| other.cmp(dref)) {
            Ok(at) => self.drefs[at].1.clone(),
            Err(_) => 0..0,
        }
    }

    /// Returns the positions of the realizations made directly from `rref`, which is not in the store.
    pub(in crate::store) fn made_from_missing(&self, rref: &RRefId) -> Vec<usize> {
        let all = self.found.iter().enumerate();
        let users = all.filter(|(_, surveyed)| surveyed.missing.contains(rref));
        users.map(|(at, _)| at).collect()
    }

    /// Returns the direct dependents of each realization, as positions.
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

/// What was read of a derivation: its realizations, each with its context, and those that have a stub besides.
type ReadDerivation = (Vec<(Surveyed, Vec<RRefId>)>, Vec<RRefId>);

fn read(store: &Store, dref: &DRefId) -> Result<ReadDerivation> {
    // Stubs come first: one that is filled meanwhile is found twice.
    let mut stubs = read_in(dref, &store.layout().stubs_of(dref), true)?;
    let mut found = read_in(dref, &store.derivation_dir(dref), false)?;
    if stubs.is_empty() {
        return Ok((found, Vec::new()));
    }
    let whole: HashSet<RRefId> = found.iter().map(|(one, _)| one.id.clone()).collect();
    let filled = stubs.extract_if(.., |(stub, _)| whole.contains(&stub.id));
    let filled = filled.map(|(stub, _)| stub.id).collect();
    found.append(&mut stubs);
    Ok((found, filled))
}

/// Reads the realizations of a derivation in this folder.
fn read_in(dref: &DRefId, at: &Path, is_stub: bool) -> Result<Vec<(Surveyed, Vec<RRefId>)>> {
    let mut found = Vec::new();
    each_realization(dref, at, |id, folder, at| {
        let read = read_record(&folder, at).and_then(|text| {
            text.map(|text| Ok((verified_head(&id, &text, at)?, bytes(&text, is_stub))))
                .transpose()
        });
        let (head, bytes, broken) = match read {
            // Removed between listing and reading.
            Ok(None) => return Ok(()),
            Ok(Some((head, bytes))) => (Some(head), bytes, None),
            Err(error) if error.kind() == ErrorKind::Store => (None, 0, Some(error)),
            Err(error) => return Err(error),
        };
        let builds = read_builds(folder, at)?.builds;
        let clock = Clock::now();
        let newest = match builds.is_empty() {
            true => modified(at).and_then(|time| clock.known(time)),
            false => builds
                .iter()
                .filter_map(|build| {
                    let carried = build.carried.as_ref().map(|carried| carried.time);
                    clock.known(carried.unwrap_or(build.stop))
                })
                .max(),
        };
        let is_success = head
            .as_ref()
            .is_some_and(|head| head.outcome == Outcome::Ok);
        let tree = head.as_ref().map(|head| head.tree);
        let context = head.map(|head| head.context).unwrap_or_default();
        let surveyed = Surveyed {
            id,
            deps: Vec::new(),
            missing: Vec::new(),
            is_success,
            bytes,
            is_stub,
            tree,
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

/// Sums the sizes in a record's `file` lines, unless these are not here, and the size of the record.
fn bytes(text: &str, is_stub: bool) -> u64 {
    if is_stub {
        return text.len() as u64;
    }
    let size = |line: &str| -> Option<u64> { line.rsplit(' ').nth(1)?.parse().ok() };
    let files = text.lines().filter(|line| line.starts_with("file "));
    files.filter_map(size).sum::<u64>() + text.len() as u64
}

/// Returns the modification time of the record, a substitute for the end of a build.
fn modified(at: &Path) -> Option<Timestamp> {
    fs::metadata(at.join(RECORD))
        .and_then(|found| found.modified())
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok())
}
