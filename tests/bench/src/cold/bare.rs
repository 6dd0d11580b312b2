//! A minimal program that writes the files of a store: it knows their names and bytes beforehand, and does not hash, check
//! or lock. For each stage it does what makes a realization durable: see `Stage::make`.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pylightnix::prelude::Result;
use pylightnix::store::Durability;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::shape::{Shape, write};

/// The number of parallel fsyncs, as in the library.
const SYNC_THREADS: usize = 16;

/// The files that one stage leaves in a store.
struct Stage {
    derivation: String,
    config: Vec<u8>,
    realization: String,
    /// `record` and the build record, with their contents.
    beside: Vec<(String, Vec<u8>)>,
    /// The folders of the realization, parents first: `out` and all folders in it.
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

/// Writes the files of the store `template` to `root`; returns the time.
pub(super) fn publish(
    shape: &Shape,
    durability: Durability,
    root: &Path,
    template: &Path,
) -> Result<Duration> {
    let mut stages = Vec::new();
    for folder in list(&template.join("store-v1"))? {
        stages.push(Stage::read(&folder)?);
    }
    fs::create_dir_all(root.join("tmp"))?;
    fs::create_dir_all(root.join("store-v1"))?;
    let syncers = Syncers::start(durability == Durability::Full);
    let begun = Instant::now();
    parallel(shape.jobs, stages.len(), |at| {
        stages[at].make(shape, at, root, &syncers)
    })?;
    Ok(begun.elapsed())
}

impl Stage {
    fn read(folder: &Path) -> Result<Self> {
        let mut stage = Stage {
            derivation: name(folder),
            config: fs::read(folder.join("config.json"))?,
            realization: String::new(),
            beside: Vec::new(),
            folders: Vec::new(),
            files: Vec::new(),
        };
        for realization in list(folder)?.into_iter().filter(|path| path.is_dir()) {
            stage.realization = name(&realization);
            let mut next = vec![realization.join("out")];
            for path in list(&realization)?
                .into_iter()
                .filter(|path| path.is_file())
            {
                stage.beside.push((name(&path), fs::read(&path)?));
            }
            while let Some(folder) = next.pop() {
                for path in list(&folder)? {
                    if path.is_dir() {
                        next.push(path);
                    } else {
                        stage
                            .files
                            .push(path.strip_prefix(&realization)?.to_owned());
                    }
                }
                stage
                    .folders
                    .push(folder.strip_prefix(&realization)?.to_owned());
            }
        }
        Ok(stage)
    }

    /// Writes all files in the folder of the derivation, syncs everything in parallel, renames the folder, and syncs its
    /// parent.
    fn make(&self, shape: &Shape, at: usize, root: &Path, syncers: &Syncers) -> io::Result<()> {
        let objects = root.join("store-v1");
        let derivation = root.join(format!("tmp/{at}"));
        fs::create_dir(&derivation)?;
        let folder = derivation.join(&self.realization);
        fs::create_dir(&folder)?;
        for below in &self.folders {
            fs::create_dir(folder.join(below))?;
        }
        let mut unsynced = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            let path = folder.join(file);
            let file = write(&path, number as u64, shape.bytes)?;
            file.set_permissions(Permissions::from_mode(0o444))?;
            // The number of open files is limited.
            let open = (self.files.len() <= SYNC_THREADS).then_some(file);
            unsynced.push((path, open));
        }
        for (name, bytes) in &self.beside {
            unsynced.push(write_new(folder.join(name), bytes)?);
        }
        for below in self.folders.iter().rev() {
            let below = folder.join(below);
            fs::set_permissions(&below, Permissions::from_mode(0o555))?;
            unsynced.push((below, None));
        }
        unsynced.push((folder, None));
        unsynced.push(write_new(derivation.join("config.json"), &self.config)?);
        unsynced.push((derivation.clone(), None));
        syncers.sync(unsynced)?;

        rename(&derivation, &objects.join(&self.derivation))?;
        syncers.sync(vec![(objects, None)])
    }
}

pub(crate) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    paths.sort_unstable();
    Ok(paths)
}

pub(crate) fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(crate) fn write_new(path: PathBuf, bytes: &[u8]) -> io::Result<ToSync> {
    let mut file = File::create_new(&path)?;
    file.write_all(bytes)?;
    Ok((path, Some(file)))
}

/// A path to sync, opened if `None`, and the channel to notify.
pub(crate) type ToSync = (PathBuf, Option<File>);
type Task = (ToSync, Sender<io::Result<()>>);

/// A pool of threads that sync, until it is dropped.
pub(crate) struct Syncers {
    tasks: Sender<Task>,
    full: bool,
}

impl Syncers {
    pub(crate) fn start(full: bool) -> Self {
        let (tasks, called) = channel::<Task>();
        let called = Arc::new(Mutex::new(called));
        for _ in 0..SYNC_THREADS {
            let called = called.clone();
            thread::spawn(move || {
                let next = || called.lock().map(|called| called.recv());
                while let Ok(Ok((task, told))) = next() {
                    let _ = told.send(sync_one(&task));
                }
            });
        }
        Syncers { tasks, full }
    }

    /// Syncs everything in parallel.
    pub(crate) fn sync(&self, mut all: Vec<ToSync>) -> io::Result<()> {
        if !self.full {
            return Ok(());
        }
        let (told, ended) = channel();
        // Folders come last: syncing one commits the journal.
        all.sort_by_key(|(_, file)| file.is_none());
        let mut all = all.into_iter();
        let own = all.next();
        for task in all {
            let _ = self.tasks.send((task, told.clone()));
        }
        drop(told);
        own.iter().try_for_each(sync_one)?;
        ended.iter().collect()
    }
}

fn sync_one((path, file): &ToSync) -> io::Result<()> {
    match file {
        Some(file) => file.sync_all(),
        None => File::open(path)?.sync_all(),
    }
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

/// Calls a function `count` times on several threads.
fn parallel(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> io::Result<()> + Sync,
) -> io::Result<()> {
    if threads <= 1 || count <= 1 {
        return (0..count).try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return Ok(());
            }
            work(at)?;
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let own = worker();
        let others = others.into_iter().map(|other| match other.join() {
            Ok(done) => done,
            Err(_) => Err(io::Error::other("a thread panicked")),
        });
        others.fold(own, io::Result::and)
    })
}
