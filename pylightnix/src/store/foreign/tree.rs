//! Writes the entries of untrusted archives.
//!
//! Folders and files are created in an empty folder, inside folders that were created here, and each must be new. Links are
//! created last, so that nothing is written through them. The store defines which names are valid.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind as IoErrorKind, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::config::Digest;
use crate::store::disk::room::free_bytes;
use crate::store::disk::sparse::SparseWriter;
use crate::store::object::paths::{Paths, Resolved};
use crate::store::object::tree::{Entry, EntryKind, Manifest, check_path, check_target};
use crate::units::text;
use crate::{Error, ErrorKind, Result};

/// The entries of an archive that were written so far.
pub(super) struct Tree {
    archive: PathBuf,
    out: PathBuf,
    strip: u32,
    limit: u64,
    /// The free space on the disk, if it is less than the limit.
    free: Option<u64>,
    most: u64,
    bytes: u64,
    seen: u64,
    /// The entries by their paths in `out`.
    entries: BTreeMap<String, Node>,
}

enum Node {
    Folder,
    File { size: u64 },
    Link { target: String },
}

impl Tree {
    /// Makes an empty tree.
    pub(super) fn new(archive: &Path, out: &Path, strip: u32, limit: u64, most: u64) -> Self {
        let free = free_bytes(out).filter(|free| *free < limit);
        Tree {
            archive: archive.to_owned(),
            out: out.to_owned(),
            strip,
            limit: free.unwrap_or(limit),
            free,
            most,
            bytes: 0,
            seen: 0,
            entries: BTreeMap::new(),
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Checks that the total size of all files is allowed, before any of them is written.
    pub(super) fn expect_bytes(&self, bytes: u64) -> Result<()> {
        match bytes > self.limit {
            true => Err(self.limit_exceeded()),
            false => Ok(()),
        }
    }

    /// Returns the name of an entry as text.
    pub(super) fn name(&self, name: &[u8]) -> Result<String> {
        match std::str::from_utf8(name) {
            Ok(name) => Ok(name.to_owned()),
            Err(_) => {
                let name = String::from_utf8_lossy(name);
                Err(self.refused_entry(&name, "has a name that is not UTF-8"))
            }
        }
    }

    /// Checks that this number of entries is allowed.
    pub(super) fn expect_entries(&self, count: u64) -> Result<()> {
        if count > self.most {
            return Err(self
                .refused(&format!("it has more than {} entries", self.most))
                .with_help("if that is right, set a higher `Unpacked::entries`"));
        }
        Ok(())
    }

    /// Returns the path to write an entry to; `None` if all of its path is stripped. Creates the parent folders.
    fn target_path(&mut self, name: &str, is_folder: bool) -> Result<Option<String>> {
        self.seen += 1;
        self.expect_entries(self.seen)?;
        if name.starts_with('/') {
            return Err(self.refused_entry(name, "has an absolute path"));
        }
        let parts: Vec<&str> = name
            .split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .collect();
        if parts.contains(&"..") {
            return Err(self.refused_entry(name, "has `..` in its path"));
        }
        let rest = parts.get(self.strip as usize..).unwrap_or_default();
        if rest.is_empty() {
            if is_folder {
                return Ok(None);
            }
            return Err(self
                .refused_entry(
                    name,
                    &format!(
                        "has only {} names in its path, and `strip` removes {}",
                        parts.len(),
                        self.strip
                    ),
                )
                .with_help("set a lower `strip`"));
        }
        let path = rest.join("/");
        check_path(&format!("content/{path}"))
            .map_err(|problem| self.refused_entry(name, &problem))?;
        self.make_folders(name, &path)?;
        Ok(Some(path))
    }

    /// Creates the parent folders of `path`.
    fn make_folders(&mut self, name: &str, path: &str) -> Result<()> {
        if self.entries.is_empty() && !self.out.exists() {
            fs::create_dir(&self.out)
                .map_err(|error| Error::io("create the folder", &self.out, error))?;
        }
        for (at, _) in path.match_indices('/') {
            let parent = &path[..at];
            match self.entries.get(parent) {
                Some(Node::Folder) => {}
                Some(_) => {
                    let problem = format!("is inside {parent:?}, which is not a folder");
                    return Err(self.refused_entry(name, &problem));
                }
                None => self.make_folder(name, parent)?,
            }
        }
        Ok(())
    }

    fn make_folder(&mut self, name: &str, path: &str) -> Result<()> {
        let at = self.out.join(path);
        fs::create_dir(&at).map_err(|error| self.create_error(name, &at, error))?;
        self.entries.insert(path.to_owned(), Node::Folder);
        Ok(())
    }

    /// Checks that no entry has this path yet.
    fn expect_new(&self, name: &str, path: &str) -> Result<()> {
        match self.entries.get(path) {
            None => Ok(()),
            Some(Node::Folder) => Err(self.refused_entry(name, "is also a folder")),
            Some(_) => Err(self.refused_entry(name, "is in the archive twice")),
        }
    }

    /// Writes a folder, which may occur more than once.
    pub(super) fn folder(&mut self, name: &str) -> Result<()> {
        let Some(path) = self.target_path(name, true)? else {
            return Ok(());
        };
        match self.entries.get(&path) {
            Some(Node::Folder) => Ok(()),
            Some(_) => Err(self.refused_entry(name, "is also a file or a link")),
            None => self.make_folder(name, &path),
        }
    }

    /// Writes a file with all bytes of `data`. Checks the `size`, if it is given.
    pub(super) fn file(
        &mut self,
        name: &str,
        executable: bool,
        data: &mut dyn Read,
        size: Option<u64>,
    ) -> Result<()> {
        let Some(path) = self.target_path(name, false)? else {
            return Ok(());
        };
        self.expect_new(name, &path)?;
        if size.is_some_and(|size| size > self.limit - self.bytes) {
            return Err(self.limit_exceeded());
        }
        let at = self.out.join(&path);
        let file = File::create_new(&at).map_err(|error| self.create_error(name, &at, error))?;
        let written = self.copy(data, file, &at)?;
        if size.is_some_and(|size| size != written) {
            return Err(self.unreadable(&IoErrorKind::UnexpectedEof.into()));
        }
        if executable {
            self.make_executable(&at)?;
        }
        self.entries.insert(path, Node::File { size: written });
        Ok(())
    }

    /// Writes a file with the content of an earlier one.
    pub(super) fn hard_link(&mut self, name: &str, target: &str) -> Result<()> {
        let Some(path) = self.target_path(name, false)? else {
            return Ok(());
        };
        self.expect_new(name, &path)?;
        let before = self.target_path(target, true)?.unwrap_or_default();
        let Some(Node::File { size }) = self.entries.get(&before) else {
            let problem = format!("is a hard link to {target:?}, which is not an earlier file");
            return Err(self.refused_entry(name, &problem));
        };
        let size = *size;
        if size > self.limit - self.bytes {
            return Err(self.limit_exceeded());
        }
        self.bytes += size;
        let (from, to) = (self.out.join(before), self.out.join(&path));
        if fs::symlink_metadata(&to).is_ok() {
            return Err(self.create_error(name, &to, IoErrorKind::AlreadyExists.into()));
        }
        // Copy the file with its mode, without a hard link: each file of a store has one name.
        fs::copy(&from, &to).map_err(|error| Error::io("write", &to, error))?;
        self.entries.insert(path, Node::File { size });
        Ok(())
    }

    /// Notes a symbolic link, which is created at the end.
    pub(super) fn link(&mut self, name: &str, target: &[u8]) -> Result<()> {
        let Some(path) = self.target_path(name, false)? else {
            return Ok(());
        };
        self.expect_new(name, &path)?;
        let target = std::str::from_utf8(target)
            .map_err(|_| self.refused_entry(name, "is a link whose target is not UTF-8"))?;
        check_target(target).map_err(|problem| self.refused_entry(name, &problem))?;
        let target = target.to_owned();
        self.entries.insert(path, Node::Link { target });
        Ok(())
    }

    /// Creates the links, after checking that they stay inside the folder.
    pub(super) fn finish(self) -> Result<()> {
        if !self.out.exists() {
            fs::create_dir(&self.out)
                .map_err(|error| Error::io("create the folder", &self.out, error))?;
        }
        let entries = self.entries.iter().map(|(path, kind)| Entry {
            path: path.clone(),
            kind: match kind {
                Node::Folder => EntryKind::Dir,
                // Only the paths matter for this check.
                Node::File { size } => EntryKind::File {
                    digest: Digest([0; 32]),
                    size: *size,
                    executable: false,
                },
                Node::Link { target } => EntryKind::Link {
                    target: target.clone(),
                },
            },
        });
        let manifest = Manifest::new(entries.collect())?;
        if let Some((link, lead)) = Paths::of(&manifest).broken_links().next() {
            let problem = match lead {
                Resolved::Outside => "is a link that leads out of the archive",
                _ => "is a link to a path that is not in the archive",
            };
            return Err(self.refused_entry(link.path, problem));
        }
        for (path, kind) in &self.entries {
            if let Node::Link { target } = kind {
                let at = self.out.join(path);
                symlink(target, &at).map_err(|error| self.create_error(path, &at, error))?;
            }
        }
        Ok(())
    }

    /// Writes a single decompressed file.
    pub(super) fn single(mut self, mut data: impl Read) -> Result<()> {
        if self.strip > 0 {
            return Err(self
                .refused("it is a single compressed file, so `strip` has no meaning")
                .with_help("leave out `strip`"));
        }
        let at = self.out.clone();
        let file = File::create_new(&at).map_err(|error| Error::io("create", &at, error))?;
        self.copy(&mut data, file, &at)?;
        Ok(())
    }

    /// Copies all bytes, up to the limit.
    fn copy(&mut self, data: &mut dyn Read, to: File, at: &Path) -> Result<u64> {
        let refused = |error| Error::io("write", at, error);
        let mut writer = SparseWriter::new(&to);
        let mut buffer = vec![0; 128 << 10];
        let mut written = 0;
        loop {
            let read = match data.read(&mut buffer) {
                Ok(0) => {
                    writer.finish().map_err(refused)?;
                    return Ok(written);
                }
                Ok(read) => read,
                Err(error) if error.kind() == IoErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(&error)),
            };
            written += read as u64;
            self.bytes += read as u64;
            if self.bytes > self.limit {
                return Err(self.limit_exceeded());
            }
            writer.write(&buffer[..read]).map_err(refused)?;
        }
    }

    fn make_executable(&self, at: &Path) -> Result<()> {
        fs::set_permissions(at, Permissions::from_mode(0o755))
            .map_err(|error| Error::io("change the mode of", at, error))
    }

    fn limit_exceeded(&self) -> Error {
        match self.free {
            Some(free) => self
                .refused(&format!(
                    "it contains more than the {} that are free on the disk",
                    text::size(free)
                ))
                .with_help("free some space on that file system and run again"),
            None => self
                .refused(&format!(
                    "it contains more than {}",
                    text::exact_size(self.limit)
                ))
                .with_help("if that is right, set a higher `Unpacked::limit`"),
        }
    }

    fn create_error(&self, name: &str, at: &Path, error: io::Error) -> Error {
        if error.kind() == IoErrorKind::AlreadyExists {
            return self.refused_entry(
                name,
                "has a name that equals another one on this file system",
            );
        }
        Error::io("create", at, error)
    }

    /// Reports an archive that cannot be read to its end.
    pub(super) fn unreadable(&self, error: &io::Error) -> Error {
        match error.kind() {
            IoErrorKind::UnexpectedEof => self
                .refused("it ends too early")
                .with_help("it is truncated: download it again"),
            _ => self.refused(&format!("it is damaged: {error}")),
        }
    }

    pub(super) fn refused_entry(&self, name: &str, problem: &str) -> Error {
        self.refused(&format!("the entry {name:?} {problem}"))
    }

    /// Makes the error that the archive is refused. `problem` is a sentence.
    pub(super) fn refused(&self, problem: &str) -> Error {
        let archive = self.archive.display();
        Error::new(
            ErrorKind::Archive,
            format!("cannot unpack {archive}: {problem}"),
        )
        .at(&self.archive)
    }
}
