//! What failed while no run watched: tasks go on when their run is killed, and what fails in them is with the failed builds of the store.
//!
//! A later run counts those attempts, and tells of them as of any failure.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use uuid::Uuid;

use super::order::{OrderedBuild, TaskOrder};
use super::said::{Listener, Said};
use crate::store::{FailedBuild, FailureRecord, RunStanding, Store, note_told};
use crate::{Error, ErrorKind};

/// The failures of which no run has told.
#[derive(Default)]
pub(in crate::realize) struct PastFailures(Vec<PastFailure>);

struct PastFailure {
    folder: PathBuf,
    record: FailureRecord,
    /// What was ordered.
    build: OrderedBuild,
    error: Error,
}

impl PastFailures {
    /// Reads the failures of runs that were killed, and of the run `own`, which goes on after it was. What cannot be read does not
    /// count.
    pub(in crate::realize) fn read(store: &Store, own: Option<Uuid>) -> Self {
        let mut is_watched: BTreeMap<Uuid, bool> = BTreeMap::new();
        let mut is_unwatched = |run: Uuid| {
            let standing = || store.run_named(&run.to_string())?.standing();
            !*is_watched.entry(run).or_insert_with(|| {
                own != Some(run)
                    && !matches!(standing(), Ok(RunStanding::Killed | RunStanding::Unknown))
            })
        };
        let failed = store.failed_builds().unwrap_or_default();
        let past = failed.iter().filter_map(|failed| {
            let record = failed.record().ok()??;
            let run = record.order.as_ref()?.run;
            (!failed.is_told() && is_unwatched(run))
                .then(|| PastFailure::of(store, failed, record))?
        });
        PastFailures(past.collect())
    }

    /// Returns the failure that ends a build which is wanted, if its runs have had all their attempts.
    pub(in crate::realize) fn verdict(&self, wanted: &OrderedBuild) -> Option<(usize, &Error)> {
        let attempts = self.attempts_of_each(wanted);
        let index = attempts
            .into_iter()
            .find_map(|(index, attempts)| (attempts > wanted.retries).then_some(index))?;
        let mut all = self.of(wanted).filter(|past| past.record.index == index);
        all.next_back().map(|past| (index, &past.error))
    }

    /// Returns how many attempts of a build that is wanted have failed.
    pub(in crate::realize) fn attempts(&self, wanted: &OrderedBuild) -> u32 {
        let attempts = self.attempts_of_each(wanted);
        attempts.into_values().max().unwrap_or_default()
    }

    /// Notes that the run has told how a build ended.
    pub(in crate::realize) fn told(&mut self, ended: &OrderedBuild) {
        self.0.retain(|past| {
            let is_it = past.build.has_run_of(ended, past.record.index);
            if is_it {
                note_told(&past.folder);
            }
            !is_it
        });
    }

    fn of(&self, wanted: &OrderedBuild) -> impl DoubleEndedIterator<Item = &PastFailure> {
        let all = self.0.iter();
        all.filter(|past| past.build.has_run_of(wanted, past.record.index))
    }

    /// Returns the number of attempts by the index of the run.
    fn attempts_of_each(&self, wanted: &OrderedBuild) -> BTreeMap<usize, u32> {
        let mut attempts: BTreeMap<usize, u32> = BTreeMap::new();
        for past in self.of(wanted) {
            let sum = attempts.entry(past.record.index).or_default();
            *sum = sum.saturating_add(past.record.attempts);
        }
        attempts
    }
}

impl PastFailure {
    fn of(store: &Store, failed: &FailedBuild, record: FailureRecord) -> Option<Self> {
        let order = record.order.as_ref()?;
        let is_below = order
            .path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let run = store.runs_dir().join(order.run.to_string());
        let path = is_below.then(|| run.join(&order.path))?;
        let mut builds = TaskOrder::read(&path).ok()?.builds.into_iter();
        let build = builds.nth(order.build)?;
        let error = said_of(&path, order.build, &failed.folder)
            .unwrap_or_else(|| error_of(failed, &record))
            .more_help(
                "it failed while no run watched, and this run does not try it again: run again to try it anew",
            );
        Some(PastFailure {
            folder: failed.folder.clone(),
            build,
            error,
            record,
        })
    }
}

/// Returns the error that a task told of a failure, with its folder.
fn said_of(order: &Path, build: usize, folder: &Path) -> Option<Error> {
    let said = Listener::of(order).news().into_iter();
    let mut errors = said
        .filter(|line| line.build == build)
        .filter_map(|line| match line.said {
            Said::RunFailed { error, .. } => Some(error.into_ours()),
            _ => None,
        });
    errors.find(|error| error.path() == Some(folder))
}

/// Returns the error that the record tells, for a task that could not tell it.
fn error_of(failed: &FailedBuild, record: &FailureRecord) -> Error {
    let message = format!("stage `{}` failed in run {}", failed.name, record.index);
    Error::new(ErrorKind::Stage, message)
        .because(record.error.trim_end())
        .at(&failed.folder)
        .with_help(format!(
            "its folder is kept: {}\nthe derivation is {}",
            failed.folder.display(),
            record.dref
        ))
}
