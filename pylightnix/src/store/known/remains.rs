//! Leftovers of builds: the folders of failed ones, and logs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::config::DRefId;
use crate::store::Store;
use crate::store::disk::layout::{FAILURE, LOG, TOLD};
use crate::store::disk::regular;
use crate::{Error, ErrorKind, Result};

/// A build that failed, whose folder is kept for inspection until garbage collection removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedBuild {
    /// The name of the stage.
    pub name: String,
    /// The folder, with the output in `out` and the log, if any, in `log`.
    pub folder: PathBuf,
    /// When it failed; `None` if the name of the folder does not say it.
    pub at: Option<Timestamp>,
}

/// What is known of a failed build: the content of `failure.json` in its folder. Unknown keys, which newer versions may add, are
/// ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailureRecord {
    /// The derivation.
    pub dref: DRefId,
    /// The index of the run of the stage, as `b.index()` returns it.
    pub index: usize,
    /// How many times it was tried.
    pub attempts: u32,
    /// What went wrong.
    pub error: String,
    /// The order of the build, if a task of a run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<FailedOrder>,
}

/// The order that a task failed to carry out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedOrder {
    /// The run that gave the order.
    pub run: Uuid,
    /// The path of the order, in the folder of the run.
    pub path: PathBuf,
    /// The place of the build in the order.
    pub build: usize,
}

impl FailedOrder {
    pub(crate) fn new(run: Uuid, path: PathBuf, build: usize) -> Self {
        FailedOrder { run, path, build }
    }
}

impl FailureRecord {
    pub(crate) fn new(dref: DRefId, index: usize, attempts: u32, error: String) -> Self {
        FailureRecord {
            dref,
            index,
            attempts,
            error,
            order: None,
        }
    }

    /// Writes the record into the folder of a draft. The failure counts without it.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        let path = folder.join(FAILURE);
        // On a full disk half a record is left, which nobody can read.
        fs::write(&path, text).inspect_err(|_| drop(fs::remove_file(&path)))
    }
}

impl FailedBuild {
    /// Returns the path of the log. The file does not exist if the build printed nothing.
    pub fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// Returns what is known of the failure; `None` if an earlier version of this library kept the folder.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub fn record(&self) -> Result<Option<FailureRecord>> {
        let path = self.folder.join(FAILURE);
        let bytes = match regular::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|error| Error::io("read", &path, error))?,
        };
        let record = serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{} does not tell what failed", path.display());
            Error::new(ErrorKind::Store, message)
                .because(error)
                .at(&path)
        })?;
        Ok(Some(record))
    }

    /// Returns whether a run has told of the failure.
    pub(crate) fn is_told(&self) -> bool {
        self.folder.join(TOLD).exists()
    }
}

/// Notes that a run has told of the failure whose folder this is. What cannot be noted is told once more.
pub(crate) fn note_told(folder: &Path) {
    let _ = fs::write(folder.join(TOLD), b"");
}

impl Store {
    /// Returns the failed builds whose folders are kept, oldest first.
    ///
    /// # Errors
    /// Never fails at present: unreadable folders are skipped.
    pub fn failed_builds(&self) -> Result<Vec<FailedBuild>> {
        let Ok(entries) = fs::read_dir(self.layout().failed()) else {
            return Ok(Vec::new());
        };
        // UUIDv7 names sort by time.
        let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        all.sort_unstable();
        let named = all.into_iter().filter_map(|folder| {
            let name = folder.file_name()?.to_str()?.get(37..)?.to_owned();
            let at = time_in(&folder);
            Some(FailedBuild { name, folder, at })
        });
        Ok(named.collect())
    }

    /// Returns the log of a build, or `None` if it printed nothing.
    pub fn log_of(
        &self,
        rref: impl AsRef<crate::config::RRefId>,
        build: &crate::store::BuildRecord,
    ) -> Option<PathBuf> {
        let path = self.records_dir(rref.as_ref()).ok()?.join(build.log_name());
        path.exists().then_some(path)
    }
}

/// Returns the time in the UUID that the name of a folder begins with.
fn time_in(folder: &Path) -> Option<Timestamp> {
    let id = Uuid::try_parse(folder.file_name()?.to_str()?.get(..36)?).ok()?;
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    let nanoseconds = i32::try_from(nanoseconds).ok()?;
    Timestamp::new(i64::try_from(seconds).ok()?, nanoseconds).ok()
}
