//! Scans and reads the files to import.

use rustix::fs::OFlags;
use std::fs::{self, DirEntry, File, Metadata, OpenOptions};
use std::io::Seek as _;
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
    /// Where the only file lies, if it is scanned as a folder with its name: links that lead to it have names of their own.
    file: Option<PathBuf>,
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

    /// Whether the bytes look unchanged. The inode also changes when the file gets or loses a hard link, in a store perhaps.
    fn has_same_bytes(&self, other: &Stamp) -> bool {
        self.0[..5] == other.0[..5]
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
        Ok(Source {
            root,
            found,
            file: None,
        })
    }

    /// Scans the file that `path` names, or leads to, as a folder with nothing else in it.
    pub(super) fn named(path: &Path) -> Result<Self> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(refused(path, "is a folder"));
        };
        let Some(name) = name.to_str() else {
            return Err(refused(path, "has a name that is not UTF-8"));
        };
        let file = fs::canonicalize(path).map_err(|error| Error::io("look at", path, error))?;
        let Source { mut found, .. } = Source::walk(&file)?;
        // The entry of the file itself has an empty path.
        if let Some(entry) = found.first_mut() {
            name.clone_into(&mut entry.path);
        }
        let path = String::new();
        let kind = ScannedKind::Dir;
        found.insert(0, ScannedSource { path, kind });
        Ok(Source {
            root: folder.to_owned(),
            found,
            file: Some(file),
        })
    }

    /// Iterates over the files.
    pub(super) fn files(&self) -> impl Iterator<Item = (&ScannedSource, &SourceFile)> {
        self.found.iter().filter_map(|found| match &found.kind {
            ScannedKind::File(file) => Some((found, file)),
            _ => None,
        })
    }

    /// Returns the path of an entry.
    pub(super) fn at(&self, found: &ScannedSource) -> PathBuf {
        match (&self.file, &found.kind) {
            (Some(file), ScannedKind::File(_)) => file.clone(),
            _ => join(&self.root, &found.path),
        }
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
pub(super) fn read(path: &Path, scanned: &SourceFile) -> Result<(Digest, bool)> {
    let opened = OpenSource::of(path, scanned)?;
    // Check before reading: an earlier writer still has the file open, and a later one changes its times.
    let shows = writers(&opened.file) != Writers::Present && !is_in_memory(&opened.file);
    let digest = opened.hash()?;
    opened.expect_unchanged(&digest)?;
    Ok((digest, shows))
}

/// A scanned file that is opened for reading.
pub(super) struct OpenSource<'a> {
    pub(super) file: File,
    path: &'a Path,
    scanned: &'a SourceFile,
    stamp: Stamp,
}

impl<'a> OpenSource<'a> {
    /// Opens a file, if its bytes are unchanged since the scan.
    pub(super) fn of(path: &'a Path, scanned: &'a SourceFile) -> Result<Self> {
        // If a pipe or a link has replaced the file since the scan, do not block and do not follow it.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .map_err(|error| Error::io("open", path, error))?;
        let mut opened = OpenSource {
            file,
            path,
            scanned,
            stamp: scanned.stamp,
        };
        opened.stamp = opened.stamp_now()?;
        Ok(opened)
    }

    /// Hashes the rest of the file.
    fn hash(&self) -> Result<Digest> {
        let hashed = hash(&self.file);
        let (digest, _) = hashed.map_err(|error| Error::io("read", self.path, error))?;
        Ok(digest)
    }

    /// Checks that the file did not change while the bytes with this digest were read. If only its inode changed, reads it again.
    pub(super) fn expect_unchanged(mut self, digest: &Digest) -> Result<()> {
        if self.stamp_now()? == self.stamp {
            return Ok(());
        }
        let rewound = self.file.rewind();
        rewound.map_err(|error| Error::io("read", self.path, error))?;
        let again = self.hash()?;
        self.stamp_now()?;
        if again == *digest {
            Ok(())
        } else {
            Err(changed(self.path))
        }
    }

    /// Returns the stamp of the file, whose bytes must look unchanged since the scan.
    fn stamp_now(&self) -> Result<Stamp> {
        let data = self.file.metadata();
        let data = data.map_err(|error| Error::io("look at", self.path, error))?;
        let now = SourceFile::of(&data);
        let is_same = data.is_file()
            && now.executable == self.scanned.executable
            && now.stamp.has_same_bytes(&self.scanned.stamp);
        if is_same {
            Ok(now.stamp)
        } else {
            Err(changed(self.path))
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(folder: &Path) -> SourceFile {
        fs::write(folder.join("data"), "content").unwrap();
        SourceFile::of(&folder.join("data").metadata().unwrap())
    }

    /// Waits until a change of the inode shows in its time.
    fn link(folder: &Path, name: &str, stamp: &Stamp) {
        let file = folder.join("data");
        loop {
            fs::hard_link(&file, folder.join(name)).unwrap();
            if Stamp::of(&file.metadata().unwrap()).0[5..] != stamp.0[5..] {
                return;
            }
            fs::remove_file(folder.join(name)).unwrap();
        }
    }

    #[test]
    fn a_further_link_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data");
        let scanned = scanned(folder.path());
        link(folder.path(), "before", &scanned.stamp);
        let opened = OpenSource::of(&file, &scanned).unwrap();
        let digest = opened.hash().unwrap();
        link(folder.path(), "while", &opened.stamp);
        opened.expect_unchanged(&digest).unwrap();
        assert_eq!(read(&file, &scanned).unwrap().0, digest);
    }

    #[test]
    fn a_change_whose_time_was_set_back_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data");
        let scanned = scanned(folder.path());
        let opened = OpenSource::of(&file, &scanned).unwrap();
        let digest = opened.hash().unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        fs::write(&file, "CONTENT").unwrap();
        File::open(&file).unwrap().set_modified(time).unwrap();
        link(folder.path(), "link", &scanned.stamp);
        let error = opened.expect_unchanged(&digest).unwrap_err();
        assert!(error.to_string().contains("changed while"), "{error}");
    }

    #[test]
    fn a_file_that_became_executable_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data");
        let scanned = scanned(folder.path());
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        assert!(read(&file, &scanned).is_err());
    }
}
