//! Leftovers of builds: the folders of failed ones, and logs.

use std::fs;
use std::path::PathBuf;

use crate::Result;
use crate::store::Store;

impl Store {
    /// Returns the folders of failed builds, oldest first, each with the name of its stage.
    ///
    /// # Errors
    /// Never fails at present: unreadable folders are skipped.
    pub fn failed_builds(&self) -> Result<Vec<(String, PathBuf)>> {
        let Ok(entries) = fs::read_dir(self.layout().failed()) else {
            return Ok(Vec::new());
        };
        // UUIDv7 names sort by time.
        let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        all.sort_unstable();
        let named = all.into_iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?.get(37..)?.to_owned();
            Some((name, path))
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
