//! Listing what a store holds.

#[cfg(feature = "cli")]
use jiff::Timestamp;
use rustix::fs::{Dir, Mode, OFlags, RawDir, open};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::path::Path;
#[cfg(feature = "cli")]
use std::path::PathBuf;
#[cfg(feature = "cli")]
use std::{fs, io};

use super::Store;
#[cfg(feature = "cli")]
use super::parallel;
use crate::config::{DRefId, RRefId};
use crate::{Error, Result};

/// The hex digits of a hash in the name of a folder.
const HEX: usize = 32;

impl Store {
    /// All derivations, sorted.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn drefs(&self) -> Result<Vec<DRefId>> {
        list(&self.layout().objects(), DRefId::from_folder)
    }

    /// Other derivations with the name of `dref`, and how many there are. Of more than `most`, those that were likely put
    /// into the store last before it: file systems number folders as they are made, more or less. One go through the names
    /// in the folder of all derivations is all that is read.
    pub(crate) fn namesakes(&self, dref: &DRefId, most: usize) -> Result<(Vec<DRefId>, usize)> {
        let folder = self.layout().objects();
        let refused = |errno: Errno| Error::io("read the folder", &folder, errno.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match open(&folder, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok((Vec::new(), 0)),
            opened => opened.map_err(refused)?,
        };
        let own = dref.folder();
        let (own_hash, name) = own.as_bytes().split_at(HEX);
        let mut own_number = u64::MAX;
        let mut others: Vec<(u64, [u8; HEX])> = Vec::new();
        for entry in Dir::new(opened).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            match entry.file_name().to_bytes().split_first_chunk() {
                Some((hash, rest)) if rest == name && hash == own_hash => {
                    own_number = entry.ino();
                }
                Some((hash, rest)) if rest == name => others.push((entry.ino(), *hash)),
                _ => {}
            }
        }
        let there = others.len();
        // Parsing and sorting them all would take longer than reading them.
        if there > most {
            let nearest = |(number, hash): &(u64, [u8; HEX])| {
                (*number > own_number, own_number.abs_diff(*number), *hash)
            };
            others.select_nth_unstable_by_key(most, nearest);
            others.truncate(most);
        }
        let folders = others.iter().map(|(_, hash)| {
            let folder = [hash, name].concat();
            DRefId::from_folder(std::str::from_utf8(&folder).ok()?)
        });
        Ok((folders.flatten().collect(), there))
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
    let refused = |errno: Errno| Error::io("read the folder", folder, errno.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match open(folder, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
        opened => opened.map_err(refused)?,
    };
    let mut buffer = [MaybeUninit::uninit(); 1 << 14];
    let mut entries = RawDir::new(opened, &mut buffer);
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(refused)?;
        found.extend(entry.file_name().to_str().ok().and_then(&read));
    }
    found.sort_unstable();
    Ok(found)
}
