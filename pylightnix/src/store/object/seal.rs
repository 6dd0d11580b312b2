//! Sealing an output: hashing it, making it read-only and syncing it.

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
use crate::store::disk::sync_pool::SYNC_THREADS;
use crate::store::disk::unsynced::Unsynced;
use crate::store::disk::writers::{Writers, writers};
use crate::store::object::scan::{Scanned, ScannedKind};
use crate::store::object::tree::{Entry, EntryKind, Manifest};
use crate::{Error, ErrorKind, Result};

/// Below these, hashing inline beats starting threads.
const MANY_BYTES: u64 = 1 << 20;
const MANY_FILES: usize = 128;
/// Up to this number of files stay open, to be synced together with other files of the publication.
pub(in crate::store) const FEW_FILES: usize = 16;
const BUFFER: usize = 128 << 10;
const SMALL: usize = 8 << 10;
/// Time to wait for a writer to close a file that is to be published.
const WRITER_TIMEOUT: Duration = Duration::from_secs(2);

/// Hashes the entries that [`scan`](crate::store::object::scan::scan) found in `out`, and makes them read-only. Adds everything
/// that still has to be synced to `unsynced`.
///
/// Replaces a file with several hard links by a copy, as it could be changed through its other names.
///
/// Rejects a file that is open for writing, as it could change after its publication.
///
/// Costs nine system calls for a small file: open, fstat, chmod, three to detect writers, read, fstat, close.
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

/// Returns the number of threads worth using.
fn threads(out: &Path, files: &[&str], few: bool, durability: Durability) -> Result<usize> {
    if durability == Durability::Full && !few {
        return Ok(SYNC_THREADS);
    }
    if files.len() >= MANY_FILES {
        return Ok(parallel::cores());
    }
    let mut bytes = 0;
    // A single file is hashed by one thread, whatever its size.
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

/// A file of an output to hash and make read-only.
struct ToSeal<'a> {
    out: &'a Path,
    /// `out`, opened, so that lookups of files are short.
    folder: &'a OwnedFd,
    path: &'a str,
}

impl ToSeal<'_> {
    /// Hashes the file in one pass and makes it read-only. Syncs it, or returns it open if it may be synced `later`.
    fn seal(
        &self,
        at: usize,
        later: bool,
        durability: Durability,
    ) -> Result<(EntryKind, Option<File>)> {
        let mut file = self.open()?;
        let mut before = self.metadata(&file)?;
        if before.nlink() > 1 {
            let copy = self.out.with_file_name(format!("copy-{at}"));
            separate(&self.at(), &copy)?;
            file = self.open()?;
            before = self.metadata(&file)?;
        }
        let executable = before.mode() & 0o100 != 0;
        let mode = if executable { 0o555 } else { 0o444 };
        if before.mode() & 0o7777 != mode {
            file.set_permissions(Permissions::from_mode(mode))
                .map_err(|error| Error::io("change the mode of", &self.at(), error))?;
        }
        // Read-only now, so that no new writer can appear.
        wait_for_writers(&file, &self.at())?;
        // Sync and hash a large file in parallel.
        let now = durability == Durability::Full && before.len() >= MANY_BYTES;
        let hash = || {
            // Growth during hashing is detected by the second `fstat` below.
            hash_up_to(&file, before.len()).map_err(|error| Error::io("read", &self.at(), error))
        };
        let (digest, size) = if now {
            beside(|| durability.sync(&file, &self.at()), hash)?
        } else {
            hash()?
        };
        let after = self.metadata(&file)?;
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

    /// Opens the file for reading; makes it readable first if its permissions forbid that.
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

    fn metadata(&self, file: &File) -> Result<fs::Metadata> {
        let found = file
            .metadata()
            .map_err(|error| Error::io("look at", &self.at(), error))?;
        match found.is_file() {
            true => Ok(found),
            false => Err(changed(&self.at())),
        }
    }
}

/// Fails if a process has the file open for writing. Succeeds if the system cannot tell.
///
/// Retries for a while: a child process that another stage just started inherits all open descriptors until its `exec`.
fn wait_for_writers(file: &File, path: &Path) -> Result<()> {
    let mut wait = Duration::from_millis(1);
    let begun = Instant::now();
    while writers(file) == Writers::Present {
        if begun.elapsed() > WRITER_TIMEOUT {
            return Err(still_written(path));
        }
        thread::sleep(wait);
        wait = (wait * 2).min(Duration::from_millis(100));
    }
    Ok(())
}

fn still_written(path: &Path) -> Error {
    let message = format!("{} is still open for writing", path.display());
    Error::new(ErrorKind::Stage, message).at(path).with_help(
        "a thread or a child process of the stage has it open, or has it mapped: have the stage close it, and wait for all that it \
         started, before it returns",
    )
}

/// Runs both closures in parallel, or one after the other if no thread can be started.
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

/// Returns the SHA-256 and the length of the rest of a file.
pub(crate) fn hash(from: &File) -> io::Result<(Digest, u64)> {
    hash_up_to(from, u64::MAX)
}

/// Hashes at most `most` bytes. Reads nothing after them, not even the end of the file.
fn hash_up_to(mut from: &File, most: u64) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut size = 0;
    // Most files fit into the buffer on the stack; allocating the large one costs an `mmap`.
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

/// Replaces the file at `path` by a copy with an inode of its own.
fn separate(path: &Path, copy: &Path) -> Result<()> {
    let done = fs::copy(path, copy)
        .map_err(|error| Error::io("copy", path, error))
        .and_then(|_| fs::rename(copy, path).map_err(|error| Error::io("replace", path, error)));
    if done.is_err() {
        let _ = fs::remove_file(copy);
    }
    done
}

/// Returns the number of threads for writing files that are then [finished](finish): the disk's queue or the cores limit it.
pub(in crate::store) fn threads_to_write(durability: Durability) -> usize {
    match durability {
        Durability::Full => SYNC_THREADS,
        Durability::None => parallel::cores(),
    }
}

/// Makes an unpacked file read-only and syncs it. The writer has already checked its bytes.
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

/// Makes the folders of a manifest read-only and syncs them, after their content is finished.
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

/// Makes `out` and its folders read-only, the deepest first.
pub(in crate::store) fn seal_folders<'a>(
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
    .with_help(
        "something that the stage started is still running: have the stage wait for it to end",
    )
}
