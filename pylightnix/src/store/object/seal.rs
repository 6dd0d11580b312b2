//! Hashing an output and making it read-only and durable.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::cmp::Reverse;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Digest;
use crate::store::disk::below::{open_file, open_folder};
use crate::store::disk::durable::Durability;
use crate::store::disk::parallel;
use crate::store::disk::sync_crew::SYNC_THREADS;
use crate::store::disk::unsynced::Unsynced;
use crate::store::disk::writers::{Writers, writers};
use crate::store::object::scan::{Scanned, ScannedKind};
use crate::store::object::tree::{Entry, EntryKind, Manifest};
use crate::{Error, ErrorKind, Result};

/// Below these, hashing is done sooner than threads are started.
const MANY_BYTES: u64 = 1 << 20;
const MANY_FILES: usize = 128;
/// So few files stay open, to be synced together with what is written beside them.
const FEW_FILES: usize = 16;
const BUFFER: usize = 128 << 10;
const SMALL: usize = 8 << 10;
/// How long somebody may have a file open for writing that is to be published.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hashes what [`scan`](crate::store::object::scan::scan) found in `out`, and takes away every right to write. What is not synced then is
/// in `unsynced`.
///
/// A file with other names (hard links) is replaced by a copy of its own: through another name it could still be changed.
///
/// A file that is still open for writing is refused: it could change when it is published.
///
/// Of a small file it costs nine system calls: open, look, change the mode, three to ask for writers, read, look again, close.
pub(in crate::store) fn seal(
    out: &Path,
    found: Vec<Scanned<()>>,
    unsynced: &mut Unsynced,
) -> Result<Manifest> {
    let durability = unsynced.durability();
    let files: Vec<&str> = (found.iter())
        .filter(|entry| matches!(entry.kind, ScannedKind::File(())))
        .map(|entry| entry.path.as_str())
        .collect();
    let folder = open_folder(out)?;
    let few = files.len() <= FEW_FILES;
    let threads = threads(out, &files, few, durability)?;
    let sealed = parallel::map(&files, threads, |at, path| {
        let file = ToSeal {
            out,
            folder: &folder,
            path,
        };
        file.seal(at, few, durability)
    })?;
    let mut sealed = sealed.into_iter();
    let mut folders = Vec::new();
    let mut entries = Vec::with_capacity(found.len());
    for Scanned { path, kind } in found {
        let kind = match kind {
            ScannedKind::Dir => {
                folders.push(path.clone());
                EntryKind::Dir
            }
            ScannedKind::Link { target } => EntryKind::Link { target },
            ScannedKind::File(()) => {
                let Some((kind, open)) = sealed.next() else {
                    continue;
                };
                if let Some(file) = open {
                    unsynced.file(&out.join(&path), file);
                }
                kind
            }
        };
        entries.push(Entry { path, kind });
    }
    seal_folders(out, folders.iter().map(String::as_str), unsynced)?;
    Manifest::new(entries)
}

/// How many threads the files are worth.
fn threads(out: &Path, files: &[&str], few: bool, durability: Durability) -> Result<usize> {
    if durability == Durability::Full && !few {
        return Ok(SYNC_THREADS);
    }
    if files.len() >= MANY_FILES {
        return Ok(parallel::cores());
    }
    let mut bytes = 0;
    // One file is one thread's work however long it is.
    for path in files.iter().skip_while(|_| files.len() == 1) {
        let path = out.join(path);
        let found = fs::symlink_metadata(&path);
        bytes += found
            .map_err(|error| Error::io("look at", &path, error))?
            .len();
        if bytes >= MANY_BYTES {
            return Ok(parallel::cores());
        }
    }
    Ok(1)
}

/// A file of an output that is to be hashed and made read-only.
struct ToSeal<'a> {
    out: &'a Path,
    /// The same, opened: the way to a file is short from there.
    folder: &'a OwnedFd,
    path: &'a str,
}

impl ToSeal<'_> {
    /// Hashes the file, read once, and makes it read-only. It is synced, or given back open if that may be done `later`.
    fn seal(
        &self,
        at: usize,
        later: bool,
        durability: Durability,
    ) -> Result<(EntryKind, Option<File>)> {
        let mut file = self.open()?;
        let mut before = self.look(&file)?;
        if before.nlink() > 1 {
            let copy = self.out.with_file_name(format!("copy-{at}"));
            separate(&self.at(), &copy)?;
            file = self.open()?;
            before = self.look(&file)?;
        }
        let executable = before.mode() & 0o100 != 0;
        let mode = if executable { 0o555 } else { 0o444 };
        if before.mode() & 0o7777 != mode {
            file.set_permissions(Permissions::from_mode(mode))
                .map_err(|error| Error::io("change the mode of", &self.at(), error))?;
        }
        // Nobody opens it for writing from here on.
        expect_no_writer(&file, &self.at())?;
        // The disk and the processor at once.
        let now = durability == Durability::Full && before.len() >= MANY_BYTES;
        let hash = || {
            // What was added since is seen below.
            hash_up_to(&file, before.len()).map_err(|error| Error::io("read", &self.at(), error))
        };
        let (digest, size) = if now {
            beside(|| durability.sync(&file, &self.at()), hash)?
        } else {
            hash()?
        };
        let after = self.look(&file)?;
        let written = |data: &fs::Metadata| (data.len(), data.mtime(), data.mtime_nsec());
        if size != after.len() || written(&before) != written(&after) {
            return Err(changed(&self.at()));
        }
        let kind = EntryKind::File {
            digest,
            size,
            executable,
        };
        if later && !now {
            return Ok((kind, Some(file)));
        }
        if !now {
            durability.sync(&file, &self.at())?;
        }
        Ok((kind, None))
    }

    fn at(&self) -> PathBuf {
        self.out.join(self.path)
    }

    /// Opens the file to read it, though its mode may forbid that to its owner.
    fn open(&self) -> Result<File> {
        let opened = match open_file(self.folder, self.path) {
            Err(Errno::ACCESS) => fs::symlink_metadata(self.at())
                .and_then(|found| {
                    let readable = Permissions::from_mode(found.mode() & 0o777 | 0o400);
                    fs::set_permissions(self.at(), readable)
                })
                .and_then(|()| open_file(self.folder, self.path).map_err(io::Error::from)),
            opened => opened.map_err(io::Error::from),
        };
        opened.map_err(|error| Error::io("open", &self.at(), error))
    }

    fn look(&self, file: &File) -> Result<fs::Metadata> {
        let found = file
            .metadata()
            .map_err(|error| Error::io("look at", &self.at(), error))?;
        match found.is_file() {
            true => Ok(found),
            false => Err(changed(&self.at())),
        }
    }
}

/// That nobody has the file open for writing, or that it cannot be known.
///
/// A child process that is just being started by another stage has all that is open here, until it runs its program. So it
/// is asked again for a while.
fn expect_no_writer(file: &File, path: &Path) -> Result<()> {
    let mut wait = Duration::from_millis(1);
    let begun = Instant::now();
    while writers(file) == Writers::Present {
        if begun.elapsed() > PATIENCE {
            return Err(still_written(path));
        }
        thread::sleep(wait);
        wait = (wait * 2).min(Duration::from_millis(100));
    }
    Ok(())
}

fn still_written(path: &Path) -> Error {
    let message = format!("{} is still open for writing", path.display());
    Error::new(ErrorKind::Stage, message).at(path).help(
        "a thread or a child process of the stage has it open, or has it mapped: have the stage close it, and wait for all that it \
         started, before it returns",
    )
}

/// Does both at once, where the system gives a thread for it.
fn beside<R>(other: impl Fn() -> Result<()> + Sync, own: impl FnOnce() -> Result<R>) -> Result<R> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, &other);
        let done = own();
        match thread.map(thread::ScopedJoinHandle::join) {
            Ok(ended) => ended.unwrap_or_else(|panic| resume_unwind(panic))?,
            Err(_) => other()?,
        }
        done
    })
}

/// The sha256 of all that `from` gives, and how many bytes that is.
pub(crate) fn hash(from: &File) -> io::Result<(Digest, u64)> {
    hash_up_to(from, u64::MAX)
}

/// The same of at most so many bytes: nothing is read after them, not even the end of the file.
fn hash_up_to(mut from: &File, most: u64) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut size = 0;
    // Most files fit into a small buffer; a large one costs a mapping each time.
    let mut small = [0; SMALL];
    let mut large = Vec::new();
    while size < most {
        let buffer = if size < SMALL as u64 {
            &mut small[..]
        } else {
            large.resize(BUFFER, 0);
            &mut large[..]
        };
        let length = (most - size).min(buffer.len() as u64) as usize;
        match from.read(&mut buffer[..length]) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((Digest(hasher.finalize().into()), size))
}

/// Gives the file at `path` an inode of its own.
fn separate(path: &Path, copy: &Path) -> Result<()> {
    let done = fs::copy(path, copy)
        .map_err(|error| Error::io("copy", path, error))
        .and_then(|_| fs::rename(copy, path).map_err(|error| Error::io("replace", path, error)));
    if done.is_err() {
        let _ = fs::remove_file(copy);
    }
    done
}

/// How many threads write files that are then [finished](finish): as many as can wait for the disk, or compute, at once.
pub(in crate::store) fn threads_to_write(durability: Durability) -> usize {
    match durability {
        Durability::Full => SYNC_THREADS,
        Durability::None => parallel::cores(),
    }
}

/// Makes a file that was written for a manifest read-only and durable. Its bytes were checked as they were written.
pub(in crate::store) fn finish(
    file: &File,
    path: &Path,
    executable: bool,
    durability: Durability,
) -> Result<()> {
    let mode = if executable { 0o555 } else { 0o444 };
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(|error| Error::io("change the mode of", path, error))?;
    durability.sync(file, path)
}

/// Makes the folders of a manifest read-only and durable, when all in them is finished.
pub(in crate::store) fn finish_folders(
    out: &Path,
    manifest: &Manifest,
    durability: Durability,
) -> Result<()> {
    let folders = manifest
        .entries()
        .iter()
        .filter_map(|entry| match entry.kind {
            EntryKind::Dir => Some(entry.path.as_str()),
            _ => None,
        });
    let mut unsynced = Unsynced::new(durability);
    seal_folders(out, folders, &mut unsynced)?;
    unsynced.sync()
}

/// Makes `out` and the folders in it read-only, the deepest first.
fn seal_folders<'a>(
    out: &Path,
    folders: impl Iterator<Item = &'a str>,
    unsynced: &mut Unsynced,
) -> Result<()> {
    let depth = |path: &Path| path.components().count();
    let mut folders: Vec<PathBuf> = folders
        .map(|path| out.join(path))
        .chain([out.to_owned()])
        .collect();
    folders.sort_by_cached_key(|path| Reverse(depth(path)));
    for path in folders {
        fs::set_permissions(&path, Permissions::from_mode(0o555))
            .map_err(|error| Error::io("change the mode of", &path, error))?;
        unsynced.folder(&path);
    }
    Ok(())
}

fn changed(path: &Path) -> Error {
    Error::new(
        ErrorKind::Stage,
        format!(
            "{} was changed while it was being published",
            path.display()
        ),
    )
    .at(path)
    .help("something that the stage started is still running: have the stage wait for it to end")
}
