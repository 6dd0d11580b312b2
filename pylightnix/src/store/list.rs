//! Listing what a store holds.

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::Path;

use super::Store;
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
    pub(crate) fn drefs_named(&self, name: &Name) -> Result<Vec<(DRefId, u64)>> {
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
