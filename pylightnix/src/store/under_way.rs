//! Builds under way, of all processes.

use jiff::Timestamp;
use std::fs;
use std::path::PathBuf;

use super::Store;
use super::draft::LOG;
use super::sweep::{Found, look_at, names};
use crate::Result;
use crate::config::DRefId;

/// A build under way: see [`Store::builds_under_way`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnderWay {
    /// The derivation.
    pub dref: DRefId,
    /// Where its log is, which is not there until it has a line. It goes with the result.
    pub log: PathBuf,
    /// When it began.
    pub began: Timestamp,
}

impl Store {
    /// The builds that are under way now, in all processes that live, the oldest first. One that ends meanwhile may be
    /// among them.
    ///
    /// # Errors
    /// None so far: what cannot be read is passed over.
    pub fn builds_under_way(&self) -> Result<Vec<UnderWay>> {
        let mut all = Vec::new();
        for lease in names(&self.layout().tmp()) {
            if !matches!(look_at(&self.layout().leases().join(&lease)), Found::Alive) {
                continue;
            }
            let Ok(entries) = fs::read_dir(self.layout().tmp().join(&lease)) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let dref = name
                    .to_str()
                    .and_then(|name| DRefId::from_folder(name.split_once('-')?.1));
                let Some(dref) = dref else {
                    continue;
                };
                // The folder is made when the build begins; what is written into it later is deeper, or its log.
                let began = entry
                    .metadata()
                    .ok()
                    .and_then(|found| found.created().or(found.modified()).ok());
                let began = began.and_then(|time| Timestamp::try_from(time).ok());
                all.push(UnderWay {
                    dref,
                    log: entry.path().join(LOG),
                    began: began.unwrap_or(Timestamp::MIN),
                });
            }
        }
        all.sort_by(|one, other| (one.began, &one.dref).cmp(&(other.began, &other.dref)));
        Ok(all)
    }

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
        build: &super::BuildRecord,
    ) -> Option<PathBuf> {
        let path = self.realization_dir(rref).join(build.log_name());
        path.exists().then_some(path)
    }
}
