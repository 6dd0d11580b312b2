//! What builds left beside their results: the folders of those that failed, and logs.

use std::fs;
use std::path::PathBuf;

use crate::Result;
use crate::store::Store;

impl Store {
    /// The folders of builds that failed and were kept, the oldest first: each with the name of its stage.
    ///
    /// # Errors
    /// None so far: what cannot be read is passed over.
    pub fn failed_builds(&self) -> Result<Vec<(String, PathBuf)>> {
        let Ok(entries) = fs::read_dir(self.layout().failed()) else {
            return Ok(Vec::new());
        };
        // Their names begin with the time.
        let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        all.sort_unstable();
        let named = all.into_iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?.get(37..)?.to_owned();
            Some((name, path))
        });
        Ok(named.collect())
    }

    /// The log of a build of a realization, if it printed anything.
    pub fn log_of(
        &self,
        rref: &crate::config::RRefId,
        build: &crate::store::BuildRecord,
    ) -> Option<PathBuf> {
        let path = self.realization_dir(rref).join(build.log_name());
        path.exists().then_some(path)
    }
}
