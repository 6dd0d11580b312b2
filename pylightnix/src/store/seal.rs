//! Hashing an output and making it read-only and durable.

use sha2::{Digest as _, Sha256};
use std::cmp::Reverse;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use super::durable::Durability;
use super::parallel;
use super::scan::{Found, FoundKind};
use super::sync_crew::SYNC_THREADS;
use super::tree::{Entry, EntryKind, Manifest};
use super::unsynced::Unsynced;
use crate::config::Digest;
use crate::{Error, ErrorKind, Result};

/// Below these, hashing is done sooner than threads are started.
const MANY_BYTES: u64 = 1 << 20;
const MANY_FILES: usize = 128;
/// So few files stay open, to be synced together with what is written beside them.
const FEW_FILES: usize = 16;
const BUFFER: usize = 128 << 10;
const SMALL: usize = 8 << 10;

/// Hashes what [`scan`](super::scan::scan) found in `out`, and takes away every right to write. What is not synced then is
/// in `unsynced`.
///
/// A file with other names (hard links) is replaced by a copy of its own: through another name it could still be changed.
pub(super) fn seal(out: &Path, found: &[Found], unsynced: &mut Unsynced) -> Result<Manifest> {
    let durability = unsynced.durability();
    let is_file = |entry: &&Found| matches!(entry.kind, FoundKind::File { .. });
    let few = found.iter().filter(is_file).count() <= FEW_FILES;
    let sealed = parallel::map(found, threads(found, few, durability), |at, entry| {
        let mut open = None;
        let kind = match &entry.kind {
            FoundKind::Dir => EntryKind::Dir,
            FoundKind::Link { target } => EntryKind::Link {
                target: target.clone(),
            },
            FoundKind::File {
                executable, shared, ..
            } => {
                let path = out.join(&entry.path);
                if *shared {
                    separate(&path, &out.with_file_name(format!("copy-{at}")))?;
                }
                let (digest, size, file) = seal_file(&path, *executable, few, durability)?;
                open = file.map(|file| (path, file));
                EntryKind::File {
                    digest,
                    size,
                    executable: *executable,
                }
            }
        };
        let path = entry.path.clone();
        Ok((Entry { path, kind }, open))
    })?;
    let mut entries = Vec::with_capacity(sealed.len());
    for (entry, open) in sealed {
        entries.push(entry);
        if let Some((path, file)) = open {
            unsynced.file(&path, file);
        }
    }
    let folders = found.iter().filter_map(|entry| match entry.kind {
        FoundKind::Dir => Some(entry.path.as_str()),
        _ => None,
    });
    seal_folders(out, folders, unsynced)?;
    Manifest::new(entries)
}

/// How many threads the files are worth.
fn threads(found: &[Found], few: bool, durability: Durability) -> usize {
    let sizes = found.iter().filter_map(|entry| match entry.kind {
        FoundKind::File { size, .. } => Some(size),
        _ => None,
    });
    let files = sizes.clone().count();
    match durability {
        Durability::Full if !few => SYNC_THREADS,
        _ if files >= MANY_FILES || sizes.sum::<u64>() >= MANY_BYTES => parallel::cores(),
        _ => 1,
    }
}

/// Hashes one file, read once, and makes it read-only. It is synced, or given back open if that may be done `later`.
fn seal_file(
    path: &Path,
    executable: bool,
    later: bool,
    durability: Durability,
) -> Result<(Digest, u64, Option<File>)> {
    let mode = if executable { 0o555 } else { 0o444 };
    let file = open_readable(path, mode)?;
    let look = |file: &File| {
        file.metadata()
            .map_err(|error| Error::io("look at", path, error))
    };
    let before = look(&file)?;
    if !before.is_file() {
        return Err(changed(path));
    }
    if before.mode() & 0o7777 != mode {
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(|error| Error::io("change the mode of", path, error))?;
    }
    // The disk and the processor at once.
    let now = durability == Durability::Full && before.len() >= MANY_BYTES;
    let hash = || hash(&file).map_err(|error| Error::io("read", path, error));
    let (digest, size) = if now {
        beside(|| durability.sync(&file, path), hash)?
    } else {
        hash()?
    };
    let after = look(&file)?;
    let written = |data: &fs::Metadata| (data.len(), data.mtime(), data.mtime_nsec());
    if size != after.len() || written(&before) != written(&after) {
        return Err(changed(path));
    }
    if now {
        return Ok((digest, size, None));
    }
    if later {
        return Ok((digest, size, Some(file)));
    }
    durability.sync(&file, path)?;
    Ok((digest, size, None))
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
pub(crate) fn hash(mut from: &File) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut size = 0;
    // Most files fit into a small buffer; a large one costs a mapping each time.
    let mut small = [0; SMALL];
    let mut large = Vec::new();
    loop {
        let buffer = if size < SMALL as u64 {
            &mut small[..]
        } else {
            large.resize(BUFFER, 0);
            &mut large[..]
        };
        match from.read(buffer) {
            Ok(0) => return Ok((Digest(hasher.finalize().into()), size)),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Opens a file to read it, though its mode may forbid that to its owner.
fn open_readable(path: &Path, mode: u32) -> Result<File> {
    let open = || {
        // Should a pipe or a link have taken the file's place since it was found, this neither waits nor follows.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
    };
    let opened = match open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::set_permissions(path, Permissions::from_mode(mode)).and_then(|()| open())
        }
        opened => opened,
    };
    opened.map_err(|error| Error::io("open", path, error))
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

/// Makes what was written for a manifest read-only and durable. Its bytes were checked as they were written.
pub(super) fn seal_known(out: &Path, manifest: &Manifest, durability: Durability) -> Result<()> {
    let files: Vec<(&str, bool)> = manifest
        .entries()
        .iter()
        .filter_map(|entry| match entry.kind {
            EntryKind::File { executable, .. } => Some((entry.path.as_str(), executable)),
            _ => None,
        })
        .collect();
    let threads = match durability {
        Durability::Full => SYNC_THREADS,
        Durability::None => 1,
    };
    parallel::map(&files, threads, |_, (path, executable)| {
        let path = out.join(path);
        let mode = if *executable { 0o555 } else { 0o444 };
        let file = open_readable(&path, mode)?;
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(|error| Error::io("change the mode of", &path, error))?;
        durability.sync(&file, &path)
    })?;
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
