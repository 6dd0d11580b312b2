//! Builds under way, of all processes, and their logs.
//!
//! The folder of a build under way is `tmp/<lease>/<number>-<index>-<16 hex digits of the derivation's hash>`, and the
//! lease names the derivation: so nothing more has to be written for a build to be found.

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
use crate::store::using::sweep::{Found, look_at, names};

/// How much of a derivation's hash is in the name of a folder: whole paths in it stay short enough for sockets.
const HASH: usize = 16;

/// A build under way, in this process or in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RunningBuild {
    /// The derivation.
    pub dref: DRefId,
    /// Which of its runs, as `b.index()` says.
    pub index: usize,
    /// The number of the process, on the machine where it runs.
    pub process: Option<u32>,
    /// When it began, where the file system knows.
    #[serde(serialize_with = "as_text::known_time")]
    pub since: Option<Timestamp>,
    /// Its temporary folder, which is renamed or removed when it ends.
    pub folder: PathBuf,
    /// The lease of its process.
    #[serde(skip)]
    lease: PathBuf,
}

impl RunningBuild {
    /// What it printed so far. There is no such file until it prints something.
    pub fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// Its log from the beginning, to be read until the build ends.
    ///
    /// # Errors
    /// It ended just now, or its folder may not be read.
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

    /// Whether it goes on, as far as one can tell from here.
    pub(in crate::store) fn goes_on(&self) -> bool {
        self.folder.exists() && matches!(look_at(&self.lease), Found::Alive)
    }

    /// The next try of the same run, which begins before the folder of the one that failed is gone.
    pub(in crate::store) fn next_try(&self) -> Option<RunningBuild> {
        let tmp = self.folder.parent()?;
        let mark = mark(&self.dref, self.index);
        let mut folders = fs::read_dir(tmp).ok()?.flatten().map(|entry| entry.path());
        let folder = folders.find(|path| *path != self.folder && has_mark(path, &mark))?;
        Some(RunningBuild {
            since: begun(&folder),
            folder,
            ..self.clone()
        })
    }
}

/// What the name of the folder of a run ends in.
pub(in crate::store) fn mark(dref: &DRefId, index: usize) -> String {
    format!("-{index}-{}", &dref.folder()[..HASH])
}

fn has_mark(path: &Path, mark: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    // The number before it has no `-`.
    name.and_then(|name| name.strip_suffix(mark))
        .is_some_and(|number| !number.contains('-'))
}

/// The index and the beginning of the derivation's hash in a folder's name, if it is that of a run.
fn read_mark(name: &str) -> Option<(usize, &str)> {
    let (_number, mark) = name.split_once('-')?;
    let (index, hash) = mark.split_once('-')?;
    (hash.len() == HASH).then_some(())?;
    Some((index.parse().ok()?, hash))
}

fn begun(folder: &Path) -> Option<Timestamp> {
    let created = fs::metadata(folder).ok()?.created().ok()?;
    Timestamp::try_from(created).ok()
}

impl Store {
    /// The builds that are under way in this store now, of this process and of others, oldest first. It asks nobody: a
    /// build shows in the file system.
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn running(&self) -> Result<Vec<RunningBuild>> {
        self.running_where(|_| true)
    }

    /// The builds of one derivation that are under way, as [`running`](Self::running).
    ///
    /// # Errors
    /// A refusal of the system.
    pub fn running_of(&self, dref: &DRefId) -> Result<Vec<RunningBuild>> {
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
            // A process that ends takes its folder with it.
            let Ok(entries) = fs::read_dir(&tmp) else {
                continue;
            };
            let folders: Vec<(usize, String, PathBuf)> = entries
                .flatten()
                .filter_map(|entry| {
                    let name = entry.file_name().into_string().ok()?;
                    let (index, hash) = read_mark(&name).filter(|(_, hash)| wanted(hash))?;
                    Some((index, hash.to_owned(), entry.path()))
                })
                .collect();
            let lease = self.layout().leases().join(&name);
            if folders.is_empty() || !matches!(look_at(&lease), Found::Alive) {
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

/// The derivation that a lease names and whose hash begins so.
fn named(lease: &str, hash: &str) -> Option<DRefId> {
    lease.lines().find_map(|line| {
        line.strip_prefix("dref:")?.strip_prefix(hash)?;
        match Used::of_line(line) {
            Ok(Some(Used::Derivation(dref))) => Some(dref),
            _ => None,
        }
    })
}

/// The process that a lease says it is of.
fn process(lease: &str) -> Option<u32> {
    let line = lease.lines().next()?.strip_prefix("# process ")?;
    line.split(' ').next()?.parse().ok()
}
