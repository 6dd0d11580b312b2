//! Leftovers of builds: the folders of failed ones, and logs.

use jiff::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::Result;
use crate::store::Store;
use crate::store::disk::layout::LOG;

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

impl FailedBuild {
    /// Returns the path of the log. The file does not exist if the build printed nothing.
    pub fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }
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
        let path = self.realization_dir(rref).join(build.log_name());
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
