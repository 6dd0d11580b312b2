//! Scans and reads the files to import.

use rustix::fs::OFlags;
use std::fs::{self, DirEntry, File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::config::Digest;
use crate::store::{
    self, Entry, EntryKind, Manifest, Paths, Resolved, ScannedKind, Walk, Writers, check_path,
    hash, is_in_memory, special, writers,
};
use crate::{Error, ErrorKind, Result};

/// The path of the artifact in `out/`.
const CONTENT: &str = "content";

/// A scanned file or folder.
pub(super) struct Source {
    pub(super) root: PathBuf,
    /// The root itself, with an empty path, and all entries below it, folders before their contents.
    pub(super) found: Vec<ScannedSource>,
}

pub(super) type ScannedSource = store::Scanned<SourceFile>;

/// The metadata of a file, before it is read.
pub(super) struct SourceFile {
    pub(super) stamp: Stamp,
    pub(super) executable: bool,
}

/// The metadata that identifies an unchanged file: device, inode, size, and the times of the last change of its bytes and of
/// its inode, each in seconds and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp(pub(super) [i64; 7]);

impl Stamp {
    fn of(data: &Metadata) -> Self {
        Stamp([
            data.dev().cast_signed(),
            data.ino().cast_signed(),
            data.size().cast_signed(),
            data.mtime(),
            data.mtime_nsec(),
            // Unlike mtime, programs cannot set ctime.
            data.ctime(),
            data.ctime_nsec(),
        ])
    }

    pub(super) fn size(&self) -> u64 {
        self.0[2].cast_unsigned()
    }

    /// Returns the time of the last change, in seconds.
    pub(super) fn changed(&self) -> i64 {
        self.0[3].max(self.0[5])
    }
}

impl Source {
    /// Scans `root` and all entries below it.
    pub(super) fn walk(root: &Path) -> Result<Self> {
        let data = fs::symlink_metadata(root);
        let data = data.map_err(|error| Error::io("look at", root, error))?;
        let mut found = Vec::new();
        let kind = if data.is_dir() {
            found = Sources.walk(root)?;
            ScannedKind::Dir
        } else if data.is_file() {
            ScannedKind::File(SourceFile::of(&data))
        } else {
            return Err(refused(root, special(data.file_type())));
        };
        let path = String::new();
        found.insert(0, ScannedSource { path, kind });
        let root = root.to_owned();
        Ok(Source { root, found })
    }

    /// Returns the path of an entry.
    pub(super) fn at(&self, found: &ScannedSource) -> PathBuf {
        join(&self.root, &found.path)
    }
}

/// Joins two paths. Returns `root` itself for the empty path, for which `Path::join` would add a slash.
pub(super) fn join(root: &Path, path: &str) -> PathBuf {
    if path.is_empty() {
        root.to_owned()
    } else {
        root.join(path)
    }
}

/// Returns the path of an entry in `out/`.
fn placed(path: &str) -> String {
    if path.is_empty() {
        CONTENT.to_owned()
    } else {
        format!("{CONTENT}/{path}")
    }
}

/// A scan that only reads, without changes to the files.
struct Sources;

impl Walk for Sources {
    type File = SourceFile;

    fn file(&self, entry: &DirEntry) -> Result<SourceFile> {
        match entry.metadata() {
            Ok(data) if data.is_file() => Ok(SourceFile::of(&data)),
            Ok(_) => Err(changed(&entry.path())),
            Err(error) => Err(Error::io("look at", &entry.path(), error)),
        }
    }

    fn folder(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn check(&self, path: &str) -> Result<(), String> {
        check_path(&placed(path))
    }

    fn refused(&self, path: &Path, problem: &str) -> Error {
        refused(path, problem)
    }
}

impl SourceFile {
    fn of(data: &Metadata) -> Self {
        SourceFile {
            stamp: Stamp::of(data),
            executable: data.mode() & 0o100 != 0,
        }
    }
}

/// Makes the manifest of the future artifacts. `digests` are those of the files, in order.
pub(super) fn manifest(source: &Source, digests: Vec<Digest>) -> Result<Manifest> {
    let mut digests = digests.into_iter();
    let mut entries = Vec::with_capacity(source.found.len());
    for found in &source.found {
        let kind = match &found.kind {
            ScannedKind::Dir => EntryKind::Dir,
            ScannedKind::Link { target } => EntryKind::Link {
                target: target.clone(),
            },
            ScannedKind::File(file) => EntryKind::File {
                digest: digests.next().ok_or_else(|| changed(&source.at(found)))?,
                size: file.stamp.size(),
                executable: file.executable,
            },
        };
        entries.push(Entry {
            path: placed(&found.path),
            kind,
        });
    }
    let manifest = Manifest::new(entries)?;
    // A link that leads out of the folder would point to something else in the store.
    let within = Paths::found(source.found.get(1..).unwrap_or_default());
    match within.broken_links().next() {
        Some((link, Resolved::Outside)) => Err(refused(
            &source.root.join(link.path),
            "is a link that leads out of the imported folder",
        )),
        Some((link, _)) => Err(refused(
            &source.root.join(link.path),
            "is a link to nothing",
        )),
        None => Ok(manifest),
    }
}

/// Hashes a file, if it is unchanged since the scan. Also returns whether a later change would show in its stamp.
///
/// A change may not show while the file is open for writing, and on file systems in memory, where writes through a shared
/// mapping do not change times.
pub(super) fn read(path: &Path, stamp: &Stamp) -> Result<(Digest, bool)> {
    let file = open(path, stamp)?;
    // Check before reading: an earlier writer still has the file open, and a later one changes its times.
    let shows = writers(&file) != Writers::Present && !is_in_memory(&file);
    let (digest, _) = hash(&file).map_err(|error| Error::io("read", path, error))?;
    unchanged(&file, path, stamp)?;
    Ok((digest, shows))
}

/// Opens a file, if it is unchanged since the scan.
pub(super) fn open(path: &Path, stamp: &Stamp) -> Result<File> {
    // If a pipe or a link has replaced the file since the scan, do not block and do not follow it.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|error| Error::io("open", path, error))?;
    unchanged(&file, path, stamp)?;
    Ok(file)
}

/// Checks that the file is unchanged since the scan.
pub(super) fn unchanged(file: &File, path: &Path, stamp: &Stamp) -> Result<()> {
    let now = file
        .metadata()
        .map_err(|error| Error::io("look at", path, error))?;
    if now.is_file() && Stamp::of(&now) == *stamp {
        Ok(())
    } else {
        Err(changed(path))
    }
}

pub(super) fn changed(path: &Path) -> Error {
    Error::new(
        ErrorKind::Stage,
        format!("{} changed while it was imported", path.display()),
    )
    .at(path)
    .with_help("import it when no program writes to it any more")
}

fn refused(path: &Path, problem: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("cannot import {}: it {problem}", path.display()),
    )
    .at(path)
    .with_help("remove it, or import another folder or file; only files, folders, and links inside the folder can be imported, with UTF-8 names")
}
