//! Listing what a store holds.

use jiff::Timestamp;
use rustix::fd::AsFd as _;
use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;

use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::entries::each_entry;
use crate::store::disk::parallel;
use crate::store::disk::system::{change_of, open_place};
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
    /// The derivations whose folders have such names, sorted.
    pub(crate) fn drefs_where(&self, fits: impl Fn(&str) -> bool) -> Result<Vec<DRefId>> {
        let folders = self.folders()?;
        let fitting = folders.iter().filter(|(name, _)| fits(name));
        let drefs = fitting.filter_map(|(name, _)| DRefId::from_folder(name));
        Ok(drefs.collect())
    }

    /// The derivations of exactly this name.
    pub(crate) fn drefs_called(&self, name: &str) -> Result<Vec<DRefId>> {
        self.drefs_where(|folder| folder.get(HEX + 1..) == Some(name))
    }

    /// The derivations whose names fit a pattern, sorted: see [`Find::name`](crate::store::Find::name). All of them fit `*`. Their folder
    /// is read only if it changed since it was last read.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Train { layers: u32 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// for layers in 1..=3 { store.realize(&instantiate(Train::new(layers))?)?; }
    /// let drefs = store.drefs_named("tr*")?;
    /// assert_eq!(drefs.len(), 3);
    /// for (dref, realizations) in store.realizations_of_each(&drefs) {
    ///     for realization in realizations.into_iter().flatten() {
    ///         println!("{dref} took {:?} s", realization.build_seconds());
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A text that is no pattern ([`ErrorKind::Reference`](crate::ErrorKind::Reference)), or a refusal of the system.
    pub fn drefs_named(&self, pattern: &str) -> Result<Vec<DRefId>> {
        let glob = crate::store::query::Glob::parse(pattern)?;
        self.drefs_where(|folder| folder.get(HEX + 1..).is_some_and(|name| glob.fits(name)))
    }

    /// The derivations whose hashes or names begin so, sorted: what the beginning of a word may become.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn drefs_beginning(&self, begin: &str) -> Result<Vec<DRefId>> {
        self.drefs_where(|folder| {
            folder.starts_with(begin)
                || (folder.get(HEX + 1..)).is_some_and(|name| name.starts_with(begin))
        })
    }

    /// The realizations of these derivations whose hashes begin so. Of a derivation that the index knows as it is, one
    /// `stat` is all that it takes; the folders of others are read.
    pub(crate) fn rrefs_from(&self, drefs: &[DRefId], begin: &str) -> Result<Vec<RRefId>> {
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
    pub(crate) fn changed<'d>(&self, drefs: &'d [DRefId]) -> Result<Vec<(Timestamp, &'d DRefId)>> {
        let objects = self.layout().shared_objects();
        let refused = |errno: Errno| Error::io("look into", objects, errno.into());
        let opened = open_place(objects).map_err(refused)?;
        let chunks: Vec<&[DRefId]> = drefs.chunks(256).collect();
        let found = parallel::map(&chunks, parallel::cores(), |_, drefs| {
            let mut found = Vec::with_capacity(drefs.len());
            for dref in *drefs {
                let name = dref.folder_name();
                match change_of(opened.as_fd(), Path::new(name.as_str())) {
                    Ok(found_at) => {
                        let (seconds, nanoseconds) = found_at.modified;
                        // No file system gives a second more than 1,000,000,000 parts.
                        let time = Timestamp::new(seconds, nanoseconds.cast_signed());
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
