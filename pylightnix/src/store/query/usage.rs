//! Disk usage.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::iter::Sum;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::parallel;
use crate::units::text;
use crate::{Error, Result};

/// The unit of `st_blocks`, independent of the file system's block size.
const BLOCK: u64 = 512;

impl Store {
    /// Measures the disk usage of all realizations, and of everything else in the store. Calls `stat` on every file and reads
    /// none.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Words { #[selfref("w")] out: SelfRef<Text> }
    /// # #[stage] fn words(b: &Build<Words>) -> Result<WordsOutputs> { Ok(WordsOutputs { out: b.out.save("a b")? }) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let words = store.realize(&instantiate(Words::new())?)?;
    /// let usage = store.disk_usage()?;
    /// assert_eq!(usage.realizations[0].id, *words.id());
    /// println!("{usage}"); // a line for each derivation, and sums
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the store's folder cannot be read. Other errors are part of the result.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        let drefs = self.drefs()?;
        let (mut usage, seen) = self.usage_of(&drefs, |dref| self.rrefs_of(dref))?;
        let objects = self.layout().objects();
        let folders = |path: &Path| -> io::Result<Vec<PathBuf>> {
            fs::read_dir(path)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        };
        let root = self.root();
        let all = folders(root).map_err(|error| Error::io("read the folder", root, error))?;
        for path in all.into_iter().filter(|path| *path != objects) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let mut walk = Walk::default();
            walk.add_below(&path);
            usage.refused.append(&mut walk.refused);
            // What a realization shares takes no more space here, as in the folder of a failed build that linked a dependency.
            for (_, taken) in walk.shared.iter().filter(|(file, _)| seen.contains(file)) {
                walk.taken.subtract(taken);
            }
            if walk.taken.disk > 0 {
                usage.others.insert(name.into_owned(), walk.taken);
            }
        }
        Ok(usage)
    }

    /// Measures the disk usage of some realizations, each counted once. Combine it with [`closure`](Self::closure) for all that
    /// one needs.
    ///
    /// # Errors
    /// Fails only if a system call fails. Realizations that are not in the store are listed as errors in the result.
    pub fn disk_usage_of<R: AsRef<RRefId>>(
        &self,
        rrefs: impl IntoIterator<Item = R>,
    ) -> Result<DiskUsage> {
        let mut asked: BTreeMap<DRefId, Vec<RRefId>> = BTreeMap::new();
        for rref in rrefs {
            let rref = rref.as_ref();
            asked
                .entry(rref.dref().clone())
                .or_default()
                .push(rref.clone());
        }
        for rrefs in asked.values_mut() {
            rrefs.sort_unstable();
            rrefs.dedup();
        }
        let drefs: Vec<DRefId> = asked.keys().cloned().collect();
        let (usage, _) = self.usage_of(&drefs, |dref| Ok(asked[dref].clone()))?;
        Ok(usage)
    }

    /// Also returns the files that have several hard links, by device and inode.
    fn usage_of(
        &self,
        drefs: &[DRefId],
        rrefs: impl Fn(&DRefId) -> Result<Vec<RRefId>> + Sync,
    ) -> Result<(DiskUsage, HashSet<(u64, u64)>)> {
        let walks = parallel::map(drefs, parallel::cores(), |_, dref| {
            let rrefs = match rrefs(dref) {
                Ok(rrefs) => rrefs,
                Err(error) => return Ok((Vec::new(), vec![error])),
            };
            let walks = rrefs.into_iter().map(|rref| {
                let mut walk = Walk::default();
                // The records of stubs are in a folder of their own.
                if !matches!(self.is_stub(&rref), Ok(true)) {
                    walk.add_below(&self.realization_dir(&rref));
                }
                (rref, walk)
            });
            Ok((walks.collect::<Vec<_>>(), Vec::new()))
        })?;
        let mut usage = DiskUsage::default();
        let mut seen = HashSet::new();
        for (walks, mut refused) in walks {
            usage.refused.append(&mut refused);
            let mut seen_here = HashSet::new();
            for (id, mut walk) in walks {
                usage.refused.append(&mut walk.refused);
                let mut shared = DiskSpace::default();
                usage.all.add(&walk.taken);
                for (file, taken) in walk.shared {
                    shared.add(&taken);
                    if !seen_here.insert(file) {
                        let saved = usage.saved_within.entry(id.dref().clone());
                        saved.or_default().add(&taken);
                    }
                    if !seen.insert(file) {
                        usage.saved.add(&taken);
                        usage.all.subtract(&taken);
                    }
                }
                let taken = walk.taken;
                usage.realizations.push(UsageOf { id, taken, shared });
            }
        }
        Ok((usage, seen))
    }
}

/// An amount of disk space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DiskSpace {
    /// The number of files.
    pub files: u64,
    /// The total size of the files, in bytes.
    #[serde(rename = "size_bytes")]
    pub bytes: u64,
    /// The allocated space of the files and their folders, in bytes: whole blocks, without the holes of sparse files. Blocks
    /// that files share as reflinks (Btrfs, XFS) count for each file, as `stat` does not report sharing.
    #[serde(rename = "disk_bytes")]
    pub disk: u64,
}

/// The disk space of one realization, including its record and build records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UsageOf<I = RRefId> {
    /// The reference.
    #[serde(rename = "reference")]
    pub id: I,
    /// The total.
    #[serde(flatten)]
    pub taken: DiskSpace,
    /// The part in files that have other hard links, inside or outside of the store.
    #[serde(skip)]
    pub shared: DiskSpace,
}

/// The disk usage of realizations; see [`Store::disk_usage`]. Displays as one line for each derivation, the largest last, and
/// totals.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DiskUsage {
    /// The realizations, sorted by derivation and then by reference.
    pub realizations: Vec<UsageOf>,
    /// The total; a file with several hard links counts once.
    pub all: DiskSpace,
    /// The space saved by hard links.
    pub saved: DiskSpace,
    /// The space of everything else in the store's folder, by name: failed builds, trash, quarantine and so on.
    pub others: BTreeMap<String, DiskSpace>,
    /// The errors for files that could not be examined.
    pub refused: Vec<Error>,
    /// The space that hard links between the realizations of a derivation save.
    saved_within: BTreeMap<DRefId, DiskSpace>,
}

impl DiskUsage {
    /// Returns the disk usage of each derivation, sorted. A file that its realizations share counts once.
    pub fn derivations(&self) -> Vec<UsageOf<DRefId>> {
        let groups = self
            .realizations
            .chunk_by(|one, other| one.id.dref() == other.id.dref());
        let sum = |group: &[UsageOf]| {
            let id = group[0].id.dref();
            let mut taken: DiskSpace = group.iter().map(|one| one.taken).sum();
            let mut shared: DiskSpace = group.iter().map(|one| one.shared).sum();
            if let Some(saved) = self.saved_within.get(id) {
                taken.subtract(saved);
                shared.subtract(saved);
            }
            UsageOf {
                id: id.clone(),
                taken,
                shared,
            }
        };
        groups.map(sum).collect()
    }
}

impl DiskSpace {
    fn of(found: &Metadata) -> Self {
        let is_file = found.is_file();
        DiskSpace {
            files: u64::from(is_file),
            bytes: if is_file { found.len() } else { 0 },
            disk: found.blocks() * BLOCK,
        }
    }

    fn add(&mut self, other: &DiskSpace) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.disk += other.disk;
    }

    fn subtract(&mut self, other: &DiskSpace) {
        self.files = self.files.saturating_sub(other.files);
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.disk = self.disk.saturating_sub(other.disk);
    }
}

impl Sum for DiskSpace {
    fn sum<I: Iterator<Item = DiskSpace>>(all: I) -> DiskSpace {
        all.fold(DiskSpace::default(), |mut sum, one| {
            sum.add(&one);
            sum
        })
    }
}

impl fmt::Display for DiskSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} files", text::size(self.disk), self.files)
    }
}

impl Serialize for DiskUsage {
    /// Serializes an object with `derivations` (the largest last) and `realizations`, each with its `reference`, `files`,
    /// `size_bytes` and `disk_bytes`; with `others`, by name, and `all` and `saved`, which have these fields without
    /// `reference`; and with `refused`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut derivations = self.derivations();
        derivations
            .sort_by(|one, other| (one.taken.disk, &one.id).cmp(&(other.taken.disk, &other.id)));
        let refused: Vec<String> = self.refused.iter().map(ToString::to_string).collect();
        let mut usage = to.serialize_struct("DiskUsage", 6)?;
        usage.serialize_field("derivations", &derivations)?;
        usage.serialize_field("realizations", &self.realizations)?;
        usage.serialize_field("others", &self.others)?;
        usage.serialize_field("all", &self.all)?;
        usage.serialize_field("saved", &self.saved)?;
        usage.serialize_field("refused", &refused)?;
        usage.end()
    }
}

impl fmt::Display for DiskUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut derivations = self.derivations();
        derivations.sort_by_key(|one| one.taken.disk);
        for UsageOf { id, taken, .. } in &derivations {
            writeln!(f, "{:>10}  {id}", text::size(taken.disk))?;
        }
        for (name, taken) in &self.others {
            writeln!(f, "{:>10}  {name}", text::size(taken.disk))?;
        }
        for error in &self.refused {
            writeln!(f, "not counted: {error}")?;
        }
        write!(
            f,
            "{:>10}  {} realizations of {} derivations",
            text::size(self.all.disk),
            self.realizations.len(),
            derivations.len()
        )?;
        match self.saved.files {
            0 => Ok(()),
            files => write!(
                f,
                ", {} saved by {files} shared files",
                text::size(self.saved.disk)
            ),
        }
    }
}

/// A traversal that adds up the files below a folder.
#[derive(Default)]
struct Walk {
    taken: DiskSpace,
    /// Files with several hard links, by device and inode; one entry for each link found.
    shared: Vec<((u64, u64), DiskSpace)>,
    refused: Vec<Error>,
}

impl Walk {
    fn add_below(&mut self, path: &Path) {
        let mut waiting = vec![path.to_owned()];
        while let Some(path) = waiting.pop() {
            if let Err(error) = self.entry(&path, &mut waiting) {
                self.refused.push(Error::io("look at", &path, error));
            }
        }
    }

    fn entry(&mut self, path: &Path, waiting: &mut Vec<PathBuf>) -> io::Result<()> {
        let found = fs::symlink_metadata(path)?;
        let taken = DiskSpace::of(&found);
        self.taken.add(&taken);
        if found.is_file() && found.nlink() > 1 {
            self.shared.push(((found.dev(), found.ino()), taken));
        }
        if found.is_dir() {
            for entry in fs::read_dir(path)? {
                waiting.push(entry?.path());
            }
        }
        Ok(())
    }
}
