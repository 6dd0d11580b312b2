//! Listing what a store holds.

#[cfg(feature = "cli")]
use jiff::Timestamp;
use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::Path;
#[cfg(feature = "cli")]
use std::path::PathBuf;

use super::Store;
#[cfg(feature = "cli")]
use super::parallel;
use crate::config::{DRefId, Name, RRefId};
use crate::{Error, Result};

impl Store {
    /// All derivations, sorted.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn drefs(&self) -> Result<Vec<DRefId>> {
        list(&self.layout().objects(), DRefId::from_folder)
    }

    /// The derivations of one name, each with the number of its folder in the file system, in no order. Names are all
    /// that is read, in one go through the folder of all derivations.
    pub(crate) fn drefs_of_name(&self, name: &Name) -> Result<Vec<(DRefId, u64)>> {
        let folder = self.layout().objects();
        let refused = |errno: Errno| Error::io("read the folder", &folder, errno.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = match rustix::fs::open(&folder, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(Vec::new()),
            open => open.map_err(refused)?,
        };
        let wanted = format!("-{name}");
        let mut found = Vec::new();
        for entry in Dir::new(open).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let bytes = entry.file_name().to_bytes();
            if bytes.ends_with(wanted.as_bytes())
                && let Ok(text) = std::str::from_utf8(bytes)
                && let Some(dref) = DRefId::from_folder(text)
                && dref.name() == name
            {
                found.push((dref, entry.ino()));
            }
        }
        Ok(found)
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
        list(&self.layout().objects(), |name| {
            fits(name).then(|| DRefId::from_folder(name)).flatten()
        })
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
