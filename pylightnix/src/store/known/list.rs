//! Listing the derivations and realizations of a store.

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

/// Number of hex digits of the hash in a folder's name.
const HEX: usize = 32;

impl Store {
    /// Returns all derivations, sorted.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn drefs(&self) -> Result<Vec<DRefId>> {
        list(&self.layout().objects(), DRefId::from_folder)
    }

    /// Returns other derivations with the same name as `dref` whose folders satisfy `counts`, and their total number. Returns
    /// at most `most`: those that were probably added last before `dref`, in reverse order, then the later ones. The order is a
    /// guess from inode numbers, which file systems assign in roughly ascending order.
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
            // Selecting is faster than sorting all of them.
            others.select_nth_unstable_by_key(most, order);
            others.truncate(most);
        }
        others.sort_unstable_by_key(order);
        let folders = others.iter();
        let drefs = folders.filter_map(|(_, folder)| DRefId::from_folder(folder));
        Ok((drefs.collect(), there))
    }

    /// Returns the folders of all derivations, cached by the index.
    fn folders(&self) -> Result<Arc<Folders>> {
        let index = self.manager().index();
        index.folders(&|| self.manager().temporary(), self.layout())
    }

    /// Returns all realizations, stubs among them, sorted by reference.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn rrefs(&self) -> Result<Vec<RRefId>> {
        let mut all = Vec::new();
        for dref in self.drefs()? {
            all.extend(self.rrefs_of(&dref)?);
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Returns the realizations of one derivation, stubs among them, sorted; empty if the derivation is not in the store.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn rrefs_of(&self, dref: impl AsRef<DRefId>) -> Result<Vec<RRefId>> {
        let dref = dref.as_ref();
        // Stubs come first: one that is filled meanwhile is found twice.
        let mut all = self.stubs_of(dref)?;
        all.extend(list(&self.derivation_dir(dref), |name| {
            RRefId::from_folder(dref, name)
        })?);
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Returns the stubs of a derivation, sorted.
    pub(in crate::store) fn stubs_of(&self, dref: &DRefId) -> Result<Vec<RRefId>> {
        let read = |name: &str| RRefId::from_folder(dref, name);
        list(&self.layout().stubs_of(dref), read)
    }
}

impl Store {
    /// Returns the derivations whose folder names satisfy `fits`, sorted.
    pub(crate) fn drefs_where(&self, fits: impl Fn(&str) -> bool) -> Result<Vec<DRefId>> {
        let folders = self.folders()?;
        let fitting = folders.iter().filter(|(name, _)| fits(name));
        let drefs = fitting.filter_map(|(name, _)| DRefId::from_folder(name));
        Ok(drefs.collect())
    }

    /// Returns the derivations with exactly this name.
    pub(crate) fn drefs_called(&self, name: &str) -> Result<Vec<DRefId>> {
        self.drefs_where(|folder| folder.get(HEX + 1..) == Some(name))
    }

    /// Returns the derivations whose names match a pattern, sorted; see [`Find::name`](crate::store::Find::name). `*` matches
    /// all. The folder of derivations is read only if it changed since the last time.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Train { layers: u32 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
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
    /// Fails if the pattern is malformed ([`ErrorKind::Reference`](crate::ErrorKind::Reference)), or if a system call fails.
    pub fn drefs_named(&self, pattern: &str) -> Result<Vec<DRefId>> {
        let glob = crate::store::query::Glob::parse(pattern)?;
        self.drefs_where(|folder| folder.get(HEX + 1..).is_some_and(|name| glob.fits(name)))
    }

    /// Returns the derivations whose hashes or names begin with `begin`, sorted, for completion of a word.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn drefs_beginning(&self, begin: &str) -> Result<Vec<DRefId>> {
        self.drefs_where(|folder| {
            folder.starts_with(begin)
                || (folder.get(HEX + 1..)).is_some_and(|name| name.starts_with(begin))
        })
    }

    /// Returns the realizations of these derivations whose hashes begin with `begin`. Costs one `stat` for each derivation with
    /// an up-to-date index entry; other folders are listed.
    pub(crate) fn rrefs_from(&self, drefs: &[DRefId], begin: &str) -> Result<Vec<RRefId>> {
        let index = self.manager().index();
        let objects = Objects::of_many(self.layout(), drefs.len());
        let chunks: Vec<&[DRefId]> = drefs.chunks(256).collect();
        let found = parallel::map(&chunks, parallel::cores(), |_, drefs| {
            let mut found = Vec::new();
            for dref in *drefs {
                match index.up_to_date(&objects, dref)? {
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

    /// Returns the modification time of each of these derivations' folders; skips those that are not in the store.
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
                        // Nanoseconds are always in range.
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

/// Whether the hex form of a hash begins with `begin`.
fn begins(hash: &[u8; 16], begin: &str) -> bool {
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    begin.len() <= HEX && digits.zip(begin.bytes()).all(|(is, wanted)| is == wanted)
}

/// Lists the names in a folder that `read` can parse, sorted. A path that is not a folder has none.
fn list<T: Ord>(folder: &Path, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let mut found = Vec::new();
    each_entry(folder, |name, _| found.extend(read(name)))?;
    found.sort_unstable();
    Ok(found)
}
