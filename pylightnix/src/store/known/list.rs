//! Listing what a store holds.

use jiff::Timestamp;
use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::entries::each_entry;
use crate::store::disk::parallel;
use crate::store::index::Folders;
use crate::store::index::Objects;
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

    /// Other derivations with the name of `dref`, of those for whose folders `counts` says yes, and how many there are. Of more
    /// than `most`, those that were likely put into the store last before it, these first: file systems number folders as they
    /// are made, more or less.
    pub(crate) fn namesakes(
        &self,
        dref: &DRefId,
        most: usize,
        counts: impl Fn(&str) -> bool,
    ) -> Result<(Vec<DRefId>, usize)> {
        let folders = self.folders()?;
        let own = dref.folder();
        let name = &own[HEX..];
        let mut own_inode = u64::MAX;
        let mut others: Vec<(u64, &str)> = Vec::new();
        for (folder, inode) in folders.iter().filter(|(folder, _)| folder.ends_with(name)) {
            match folder.len() == own.len() {
                true if folder == own => own_inode = inode,
                true => others.push((inode, folder)),
                false => {}
            }
        }
        others.retain(|(_, folder)| counts(folder));
        let there = others.len();
        let order =
            |&(inode, folder): &(u64, _)| (inode > own_inode, own_inode.abs_diff(inode), folder);
        if there > most {
            // Sorting them all would take longer.
            others.select_nth_unstable_by_key(most, order);
            others.truncate(most);
        }
        others.sort_unstable_by_key(order);
        let folders = others.iter();
        let drefs = folders.filter_map(|(_, folder)| DRefId::from_folder(folder));
        Ok((drefs.collect(), there))
    }

    /// The folders of all derivations, read or known.
    fn folders(&self) -> Result<Arc<Folders>> {
        let index = self.manager().index();
        index.folders(&|| self.manager().temporary(), self.layout())
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

impl Store {
    /// The folder of all derivations.
    #[doc(hidden)]
    pub fn objects_dir(&self) -> PathBuf {
        self.layout().objects()
    }

    /// The derivations whose folders have such names, sorted.
    #[doc(hidden)]
    pub fn drefs_where(&self, fits: impl Fn(&str) -> bool) -> Result<Vec<DRefId>> {
        let folders = self.folders()?;
        let fitting = folders.iter().filter(|(name, _)| fits(name));
        let drefs = fitting.filter_map(|(name, _)| DRefId::from_folder(name));
        Ok(drefs.collect())
    }

    /// The derivations of exactly this name.
    #[doc(hidden)]
    pub fn drefs_called(&self, name: &str) -> Result<Vec<DRefId>> {
        self.drefs_where(|folder| folder.get(33..) == Some(name))
    }

    /// Whether there are more derivations or realizations than that. Where the file system does not count the folders in a
    /// folder, as btrfs, only derivations count.
    #[doc(hidden)]
    pub fn has_more_than(&self, count: usize) -> Result<bool> {
        let folders = self.folders()?;
        if folders.len() > count {
            return Ok(true);
        }
        let objects = self.layout().objects();
        let mut left = count as u64;
        for (name, _) in folders.iter() {
            // Each folder in it is a link to it, beside its own two.
            let links = fs::metadata(objects.join(name)).map_or(0, |found| found.nlink());
            match left.checked_sub(links.saturating_sub(2)) {
                Some(rest) => left = rest,
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// The folder of failed builds.
    #[doc(hidden)]
    pub fn failed_dir(&self) -> PathBuf {
        self.layout().failed()
    }

    /// The derivations whose names fit a pattern: see [`Find::name`](crate::store::Find::name).
    #[doc(hidden)]
    pub fn drefs_named(&self, pattern: &str) -> Result<Vec<DRefId>> {
        let glob = crate::store::query::Glob::parse(pattern)?;
        let mut drefs = self.drefs()?;
        drefs.retain(|dref| glob.fits(dref.name().as_str()));
        Ok(drefs)
    }

    /// The realizations of these derivations whose hashes begin so. Of a derivation that the index knows as it is, one
    /// `stat` is all that it takes; the folders of others are read.
    #[doc(hidden)]
    pub fn rrefs_from(&self, drefs: &[DRefId], begin: &str) -> Result<Vec<RRefId>> {
        let index = self.manager().index();
        let objects = Objects::of_many(self.layout(), drefs.len());
        let chunks: Vec<&[DRefId]> = drefs.chunks(256).collect();
        let found = parallel::map(&chunks, parallel::cores(), |_, drefs| {
            let mut found = Vec::new();
            for dref in *drefs {
                match index.kept(&objects, dref)? {
                    Some(known) => {
                        let hashes = known.listing.hashes();
                        let begun = hashes.filter(|hash| begins(hash, begin));
                        found.extend(begun.map(|hash| RRefId::new(hash, dref.clone())));
                    }
                    None => {
                        let mut there = self.rrefs_of(dref)?;
                        there.retain(|rref| begins(rref.hash(), begin));
                        found.append(&mut there);
                    }
                }
            }
            Ok(found)
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// When something last came to each of these derivations or went, of those that are in the store.
    #[doc(hidden)]
    pub fn changed<'d>(&self, drefs: &'d [DRefId]) -> Result<Vec<(Timestamp, &'d DRefId)>> {
        let objects = self.layout().shared_objects();
        let refused = |errno: Errno| Error::io("look into", objects, errno.into());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = open(&**objects, flags, Mode::empty()).map_err(refused)?;
        let chunks: Vec<&[DRefId]> = drefs.chunks(256).collect();
        let found = parallel::map(&chunks, parallel::cores(), |_, drefs| {
            let mut found = Vec::with_capacity(drefs.len());
            for dref in *drefs {
                let name = dref.folder_name();
                let wanted = StatxFlags::MTIME;
                match statx(&opened, name.as_str(), AtFlags::SYMLINK_NOFOLLOW, wanted) {
                    Ok(found_at) => {
                        let time = found_at.stx_mtime;
                        // No file system gives a second more than 1,000,000,000 parts.
                        let time = Timestamp::new(time.tv_sec, time.tv_nsec.cast_signed());
                        found.push((time.unwrap_or(Timestamp::MAX), dref));
                    }
                    Err(Errno::NOENT) => {}
                    Err(errno) => {
                        let folder = self.derivation_dir(dref);
                        return Err(Error::io("look at", &folder, errno.into()));
                    }
                }
            }
            Ok(found)
        })?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// Whether the hex digits of a hash begin so.
fn begins(hash: &[u8; 16], begin: &str) -> bool {
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    begin.len() <= HEX && digits.zip(begin.bytes()).all(|(is, wanted)| is == wanted)
}

/// What the names in a folder stand for, sorted; other names are passed over, and what is no folder has none.
fn list<T: Ord>(folder: &Path, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let mut found = Vec::new();
    each_entry(folder, |name, _| found.extend(read(name)))?;
    found.sort_unstable();
    Ok(found)
}
