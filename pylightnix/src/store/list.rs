//! Listing what a store holds.

#[cfg(feature = "cli")]
use jiff::Timestamp;
use std::fs;
use std::io;
use std::path::Path;
#[cfg(feature = "cli")]
use std::path::PathBuf;

use super::Store;
#[cfg(feature = "cli")]
use super::parallel;
use crate::config::{DRefId, RRefId};
use crate::{Error, Result};

impl Store {
    /// All derivations, sorted.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn drefs(&self) -> Result<Vec<DRefId>> {
        list(&self.layout().objects(), DRefId::from_folder)
    }

    /// All realizations, sorted by reference.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn rrefs(&self) -> Result<Vec<RRefId>> {
        let mut all = Vec::new();
        for dref in self.drefs()? {
            all.extend(self.rrefs_of(&dref)?);
        }
        all.sort_unstable();
        Ok(all)
    }

    /// The realizations of one derivation, sorted; none if it is not in the store.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn rrefs_of(&self, dref: &DRefId) -> Result<Vec<RRefId>> {
        list(&self.derivation_dir(dref), |name| {
            RRefId::from_folder(dref, name)
        })
    }
}

#[cfg(feature = "cli")]
impl Store {
    /// The folder of all derivations.
    pub(crate) fn objects_dir(&self) -> PathBuf {
        self.layout().objects()
    }

    /// The derivations whose folders have such names, sorted.
    pub(crate) fn drefs_where(&self, fits: impl Fn(&str) -> bool) -> Result<Vec<DRefId>> {
        let names = self
            .manager()
            .index()
            .names(self.manager(), self.layout())?;
        let fitting = names.lines().filter(|name| fits(name));
        Ok(fitting.filter_map(DRefId::from_folder).collect())
    }

    /// The derivations of exactly this name.
    pub(crate) fn drefs_called(&self, name: &str) -> Result<Vec<DRefId>> {
        self.drefs_where(|folder| folder.get(33..) == Some(name))
    }

    /// Whether there are more derivations than that.
    pub(crate) fn has_more_drefs_than(&self, count: usize) -> Result<bool> {
        let names = self
            .manager()
            .index()
            .names(self.manager(), self.layout())?;
        Ok(names.lines().nth(count).is_some())
    }

    /// The folder of failed builds.
    pub(crate) fn failed_dir(&self) -> PathBuf {
        self.layout().failed()
    }

    /// The derivations whose names fit a pattern: see [`Find::name`](super::Find::name).
    pub(crate) fn drefs_named(&self, pattern: &str) -> Result<Vec<DRefId>> {
        let glob = super::query::Glob::parse(pattern)?;
        let mut drefs = self.drefs()?;
        drefs.retain(|dref| glob.fits(dref.name().as_str()));
        Ok(drefs)
    }

    /// The realizations of these derivations whose folders have such names.
    pub(crate) fn rrefs_where(
        &self,
        drefs: &[DRefId],
        fits: impl Fn(&str) -> bool + Sync,
    ) -> Result<Vec<RRefId>> {
        let chunks: Vec<&[DRefId]> = drefs.chunks(256).collect();
        let found = parallel::map(&chunks, parallel::cores(), |_, drefs| {
            let mut found = Vec::new();
            for dref in *drefs {
                found.append(&mut list(&self.derivation_dir(dref), |name| {
                    fits(name)
                        .then(|| RRefId::from_folder(dref, name))
                        .flatten()
                })?);
            }
            Ok(found)
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// When something last came to a derivation or went; `None` if it is not in the store.
    pub(crate) fn changed(&self, dref: &DRefId) -> Result<Option<Timestamp>> {
        let folder = self.derivation_dir(dref);
        match fs::metadata(&folder).and_then(|found| found.modified()) {
            Ok(time) => Ok(Some(Timestamp::try_from(time).unwrap_or(Timestamp::MIN))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look at", &folder, error)),
        }
    }
}

/// What the names in a folder stand for, sorted; other names are passed over, and what is no folder has none.
fn list<T: Ord>(folder: &Path, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let refused = |error| Error::io("read the folder", folder, error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(refused(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(refused)?.file_name();
        found.extend(name.to_str().and_then(&read));
    }
    found.sort_unstable();
    Ok(found)
}
