//! Hashing an output and making it read-only and durable.

use sha2::{Digest as _, Sha256};
use std::cmp::Reverse;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::durable::Durability;
use super::parallel;
use super::scan::{Found, FoundKind};
use super::tree::{Entry, EntryKind, Manifest};
use crate::config::Digest;
use crate::{Error, ErrorKind, Result};

/// Below these, hashing is done sooner than threads are started.
const MANY_BYTES: u64 = 1 << 20;
const MANY_FILES: usize = 128;
/// Threads that wait for the disk: its journal commits the more files at once the more wait together.
const SYNC_THREADS: usize = 16;
const BUFFER: usize = 128 << 10;

/// Hashes what [`scan`](super::scan::scan) found in `out`, takes away every right to write, and syncs it, bottom-up.
///
/// A file with other names (hard links) is replaced by a copy of its own: through another name it could still be changed.
pub(super) fn seal(out: &Path, found: &[Found], durability: Durability) -> Result<Manifest> {
    let entries = parallel::map(found, threads(found, durability), |at, entry| {
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
                let (digest, size) = seal_file(&path, *executable, durability)?;
                EntryKind::File {
                    digest,
                    size,
                    executable: *executable,
                }
            }
        };
        Ok(Entry {
            path: entry.path.clone(),
            kind,
        })
    })?;
    let folders = found.iter().filter_map(|entry| match entry.kind {
        FoundKind::Dir => Some(entry.path.as_str()),
        _ => None,
    });
    seal_folders(out, folders, durability)?;
    Manifest::new(entries)
}

/// How many threads the files are worth.
fn threads(found: &[Found], durability: Durability) -> usize {
    let sizes = found.iter().filter_map(|entry| match entry.kind {
        FoundKind::File { size, .. } => Some(size),
        _ => None,
    });
    let files = sizes.clone().count();
    match durability {
        Durability::Full if files > 2 => SYNC_THREADS.min(files / 2),
        _ if files >= MANY_FILES || sizes.sum::<u64>() >= MANY_BYTES => parallel::cores(),
        _ => 1,
    }
}

/// Hashes one file, read once, and makes it read-only.
fn seal_file(path: &Path, executable: bool, durability: Durability) -> Result<(Digest, u64)> {
    let mode = if executable { 0o555 } else { 0o444 };
    let mut file = open_readable(path, mode)?;
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
    let (digest, size) = hash(&mut file).map_err(|error| Error::io("read", path, error))?;
    let after = look(&file)?;
    let written = |data: &fs::Metadata| (data.len(), data.mtime(), data.mtime_nsec());
    if size != after.len() || written(&before) != written(&after) {
        return Err(changed(path));
    }
    durability.sync(&file, path)?;
    Ok((digest, size))
}

/// The sha256 of all that `from` gives, and how many bytes that is.
pub(crate) fn hash(from: &mut File) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
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
    parallel::map(&files, sync_threads(durability), |_, (path, executable)| {
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
    seal_folders(out, folders, durability)
}

/// Makes `out` and the folders in it read-only and syncs them, the deepest first.
fn seal_folders<'a>(
    out: &Path,
    folders: impl Iterator<Item = &'a str>,
    durability: Durability,
) -> Result<()> {
    let depth = |path: &Path| path.components().count();
    let mut folders: Vec<PathBuf> = folders
        .map(|path| out.join(path))
        .chain([out.to_owned()])
        .collect();
    folders.sort_by_cached_key(|path| Reverse(depth(path)));
    for level in folders.chunk_by(|a, b| depth(a) == depth(b)) {
        parallel::map(level, sync_threads(durability), |_, path| {
            fs::set_permissions(path, Permissions::from_mode(0o555))
                .map_err(|error| Error::io("change the mode of", path, error))?;
            durability.sync_folder(path)
        })?;
    }
    Ok(())
}

fn sync_threads(durability: Durability) -> usize {
    match durability {
        Durability::Full => SYNC_THREADS,
        Durability::None => 1,
    }
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
