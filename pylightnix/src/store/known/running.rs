//! Running builds of all processes.
//!
//! The folder of a running build is `tmp/<lease>/<number>-<index>-<16 hex digits of the derivation's hash>`, and the lease file
//! names the derivation, so no further file is needed to find builds.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::Result;
use crate::as_text;
use crate::config::DRefId;
use crate::store::Store;
use crate::store::disk::layout::LOG;
use crate::store::disk::regular;
use crate::store::known::follow::FollowLog;
use crate::store::using::lease::Used;
use crate::store::using::sweep::{names, seems_alive};

/// Number of the hash's hex digits in the folder name. Kept short, as paths of Unix sockets in the folder are limited.
const HASH: usize = 16;

/// A running build, in this or another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RunningBuild {
    /// The derivation.
    pub dref: DRefId,
    /// The index of the run, as `b.index()` returns it.
    pub index: usize,
    /// The process ID on its machine.
    pub process: Option<u32>,
    /// The start time, if the file system records creation times.
    #[serde(serialize_with = "as_text::known_time")]
    pub since: Option<Timestamp>,
    /// The temporary folder of the build, renamed or removed when the build ends.
    pub folder: PathBuf,
    /// The lease of the process.
    #[serde(skip)]
    lease: PathBuf,
}

impl RunningBuild {
    /// Returns the path of the log. The file does not exist until the build prints something.
    pub fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// Opens the log from the beginning, for reading until the build ends.
    ///
    /// # Errors
    /// Fails if the build has just ended, or if its folder is unreadable.
    ///
    /// ```no_run
    /// # use pylightnix::store::Store;
    /// # fn main() -> pylightnix::Result<()> {
    /// let store = Store::open_default()?;
    /// for build in store.running()? {
    ///     println!("{} of process {:?}:", build.dref, build.process);
    ///     let copied = std::io::copy(&mut build.follow()?, &mut std::io::stdout());
    ///     assert!(copied.is_ok());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn follow(&self) -> Result<FollowLog> {
        FollowLog::of(self)
    }

    /// Whether the build still runs, as far as this machine can tell.
    pub(in crate::store) fn is_running(&self) -> bool {
        self.folder.exists() && seems_alive(&self.lease)
    }

    /// Returns the next attempt of the same run, which begins before the folder of the failed one is removed.
    pub(in crate::store) fn next_try(&self) -> Option<RunningBuild> {
        let tmp = self.folder.parent()?;
        let suffix = folder_suffix(&self.dref, self.index);
        let mut folders = fs::read_dir(tmp).ok()?.flatten().map(|entry| entry.path());
        let folder = folders.find(|path| *path != self.folder && has_suffix(path, &suffix))?;
        Some(RunningBuild {
            since: begun(&folder),
            folder,
            ..self.clone()
        })
    }
}

/// Returns the suffix of a run's folder name.
pub(in crate::store) fn folder_suffix(dref: &DRefId, index: usize) -> String {
    format!("-{index}-{}", &dref.folder()[..HASH])
}

fn has_suffix(path: &Path, suffix: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    // The number before the suffix contains no `-`.
    name.and_then(|name| name.strip_suffix(suffix))
        .is_some_and(|number| !number.contains('-'))
}

/// Parses a run's folder name into the index and the beginning of the derivation's hash.
fn parse_folder_name(name: &str) -> Option<(usize, &str)> {
    let (_number, rest) = name.split_once('-')?;
    let (index, hash) = rest.split_once('-')?;
    (hash.len() == HASH).then_some(())?;
    Some((index.parse().ok()?, hash))
}

fn begun(folder: &Path) -> Option<Timestamp> {
    let created = fs::metadata(folder).ok()?.created().ok()?;
    Timestamp::try_from(created).ok()
}

impl Store {
    /// Returns the running builds of all processes that use this store, oldest first. Derived from the file system alone,
    /// without communication between processes. Where machines do not see each other's locks, as on NFS without them, a build of another
    /// machine counts as running until its folder is removed.
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn running(&self) -> Result<Vec<RunningBuild>> {
        self.running_where(|_| true)
    }

    /// Returns the running builds of one derivation; see [`running`](Self::running).
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn running_of(&self, dref: impl AsRef<DRefId>) -> Result<Vec<RunningBuild>> {
        let dref = dref.as_ref();
        self.running_where(|running| running == &dref.folder()[..HASH])
            .map(|mut found| {
                found.retain(|build| build.dref == *dref);
                found
            })
    }

    fn running_where(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<RunningBuild>> {
        let mut found = Vec::new();
        for name in names(&self.layout().tmp()) {
            let tmp = self.layout().tmp().join(&name);
            // The folder disappears when its process exits.
            let Ok(entries) = fs::read_dir(&tmp) else {
                continue;
            };
            let folders: Vec<(usize, String, PathBuf)> = entries
                .flatten()
                .filter_map(|entry| {
                    let name = entry.file_name().into_string().ok()?;
                    let (index, hash) =
                        parse_folder_name(&name).filter(|(_, hash)| wanted(hash))?;
                    Some((index, hash.to_owned(), entry.path()))
                })
                .collect();
            let lease = self.layout().leases().join(&name);
            if folders.is_empty() || !seems_alive(&lease) {
                continue;
            }
            let text = regular::read_to_string(&lease).unwrap_or_default();
            for (index, hash, folder) in folders {
                if let Some(dref) = named(&text, &hash) {
                    found.push(RunningBuild {
                        dref,
                        index,
                        process: process(&text),
                        since: begun(&folder),
                        folder,
                        lease: lease.clone(),
                    });
                }
            }
        }
        found.sort_by(|a, b| (a.since, &a.dref, a.index).cmp(&(b.since, &b.dref, b.index)));
        Ok(found)
    }
}

/// Finds the derivation in a lease whose hash begins with `hash`.
fn named(lease: &str, hash: &str) -> Option<DRefId> {
    lease.lines().find_map(|line| {
        line.strip_prefix("dref:")?.strip_prefix(hash)?;
        match Used::of_line(line) {
            Ok(Some(Used::Derivation(dref))) => Some(dref),
            _ => None,
        }
    })
}

/// Parses the process ID in a lease.
fn process(lease: &str) -> Option<u32> {
    let mut lines = lease.lines();
    let line = lines.find_map(|line| line.strip_prefix("# process "))?;
    line.split(' ').next()?.parse().ok()
}
