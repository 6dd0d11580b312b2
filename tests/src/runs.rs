//! Helpers for tests of realizing: recorded events, and traces on disk.

use pylightnix::realize::{Event, Observer};
use pylightnix::store::{Durability, Store};
use pylightnix::{BoxError, Error};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use tempfile::TempDir;

/// Creates a store in a temporary folder, with durability `None`.
#[must_use]
pub fn scratch() -> (TempDir, Store) {
    let (folder, store) = crate::store::store();
    (folder, store.with_durability(Durability::None))
}

/// Creates a store in memory where that is possible, for tests with very many files, which would take long on a disk.
#[must_use]
pub fn in_memory() -> (TempDir, Store) {
    let memory = Path::new("/dev/shm");
    let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
    let folder = folder.expect("a temporary folder");
    let store = Store::open(folder.path().join("store")).expect("a new store");
    (folder, store.with_durability(Durability::None))
}

/// Asserts that the report of `error` contains all of these texts.
#[track_caller]
pub fn assert_says(error: &Error, what: &[&str]) {
    let report = format!("{error:?}");
    for what in what {
        assert!(report.contains(what), "{what:?} is not in: {report}");
    }
}

/// Converts the result of the last step of a realizer that has written all its artifacts to `Ok(())`.
///
/// # Errors
/// Never fails.
pub fn done<T>(_: T) -> Result<(), BoxError> {
    Ok(())
}

/// An observer that records a line for each event.
#[derive(Default)]
pub struct Told(Mutex<Vec<String>>);

impl Told {
    /// Returns all lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no observer panicked").clone()
    }

    /// Returns the lines that begin with `word`.
    #[must_use]
    pub fn of(&self, word: &str) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| line.split(' ').next() == Some(word));
        lines
    }

    /// Discards the recorded lines.
    pub fn clear(&self) {
        self.0.lock().expect("no observer panicked").clear();
    }
}

impl Observer for &Told {
    fn event(&self, event: &Event<'_>) {
        let line = match event {
            Event::Begun { stages, .. } => format!("begun {stages}"),
            Event::Building {
                dref, runs, reason, ..
            } => {
                format!("building {} x{runs}: {reason}", dref.name())
            }
            Event::Queued { dref, .. } => format!("queued {}", dref.name()),
            Event::Waiting { dref, .. } => format!("waiting {}", dref.name()),
            Event::Started { dref, index, .. } => format!("started {}#{index}", dref.name()),
            Event::Published {
                rref, index, new, ..
            } => {
                let new = if *new { "new" } else { "again" };
                format!("published {}#{index} {new}", rref.name())
            }
            Event::FailureRecorded {
                rref, index, new, ..
            } => {
                let new = if *new { "new" } else { "again" };
                format!("recorded {}#{index} {new}", rref.name())
            }
            Event::Chosen {
                dref, rrefs, built, ..
            } => {
                let built = if *built { "built" } else { "there" };
                format!("chosen {} {} {built}", dref.name(), rrefs.len())
            }
            Event::Retrying {
                dref,
                index,
                attempt,
                left,
                ..
            } => format!(
                "retrying {}#{index} after {attempt}, {left} left",
                dref.name()
            ),
            Event::Carried {
                dref, rrefs, why, ..
            } => format!("carried {} {}: {}", dref.name(), rrefs.len(), why.reason()),
            // Other events contain the same information.
            Event::Left { .. } | Event::Attempt { .. } | Event::RunFailed { .. } => return,
            Event::Overdue { dref, index, .. } => format!("overdue {}#{index}", dref.name()),
            Event::LookedLate {
                dref, index, of, ..
            } => format!("late {}#{index} {}", dref.name(), of.name()),
            Event::Stopping { running, .. } => format!("stopping {running}"),
            Event::Cancelled { dref, .. } => format!("cancelled {}", dref.name()),
            Event::Failed { dref, .. } => format!("failed {}", dref.name()),
            other => format!("other {other:?}"),
        };
        self.0.lock().expect("no observer panicked").push(line);
    }
}

/// Returns the metadata that a write would change (times, inode, size, mode) of everything below `root`, and of `root`
/// itself.
#[must_use]
pub fn traces(root: &Path) -> BTreeMap<String, [i64; 6]> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let data = path.symlink_metadata().expect("its data");
        if data.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        let trace = [
            data.mtime(),
            data.mtime_nsec(),
            data.ctime(),
            data.ctime_nsec(),
            data.ino().cast_signed(),
            i64::from(data.mode()),
        ];
        found.insert(path.display().to_string(), trace);
    }
    found
}

/// Returns the names in a folder, sorted.
#[must_use]
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}
