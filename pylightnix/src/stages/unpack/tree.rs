//! Writing what archives hold, whatever they say.
//!
//! Folders and files are made in an empty folder, below folders that were made here, and each must be new; links are made
//! when all else is, so that nothing is written through one. What a name may be is for the store to say.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind as IoErrorKind, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::config::Digest;
use crate::store::{
    Entry, EntryKind, Lead, Manifest, Paths, SparseWriter, check_path, check_target, free_bytes,
};
use crate::{Error, ErrorKind, Result};

/// What an archive holds, as far as it is written.
pub(super) struct Tree {
    archive: PathBuf,
    out: PathBuf,
    strip: u32,
    limit: u64,
    /// What is free on the disk, if the limit is more.
    free: Option<u64>,
    most: u64,
    bytes: u64,
    seen: u64,
    /// By paths below `out`.
    entries: BTreeMap<String, Kind>,
}

enum Kind {
    Folder,
    File { size: u64 },
    Link { target: String },
}

impl Tree {
    /// Nothing is written yet.
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

    /// Checks that all files together may have so many bytes, before any of them is written.
    pub(super) fn expect_bytes(&self, bytes: u64) -> Result<()> {
        match bytes > self.limit {
            true => Err(self.too_much()),
            false => Ok(()),
        }
    }

    /// The name of an entry as text.
    pub(super) fn name(&self, name: &[u8]) -> Result<String> {
        match std::str::from_utf8(name) {
            Ok(name) => Ok(name.to_owned()),
            Err(_) => {
                let name = String::from_utf8_lossy(name);
                Err(self.refused_entry(&name, "has a name that is not UTF-8"))
            }
        }
    }

    /// Checks that so many entries are allowed.
    pub(super) fn expect_entries(&self, count: u64) -> Result<()> {
        if count > self.most {
            return Err(self
                .refused(&format!("it has more than {} entries", self.most))
                .help("if that is right, allow more by `Unpacked::entries`"));
        }
        Ok(())
    }

    /// Where an entry goes; nowhere if all of its path is stripped.
    fn place(&mut self, name: &str, is_folder: bool) -> Result<Option<String>> {
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
                        "has only {} names in its path, and {} are stripped",
                        parts.len(),
                        self.strip
                    ),
                )
                .help("strip fewer"));
        }
        let path = rest.join("/");
        check_path(&format!("content/{path}")).map_err(|why| self.refused_entry(name, &why))?;
        self.make_folders(name, &path)?;
        Ok(Some(path))
    }

    /// Makes the folders that `path` is in.
    fn make_folders(&mut self, name: &str, path: &str) -> Result<()> {
        if self.entries.is_empty() && !self.out.exists() {
            fs::create_dir(&self.out)
                .map_err(|error| Error::io("create the folder", &self.out, error))?;
        }
        for (at, _) in path.match_indices('/') {
            let parent = &path[..at];
            match self.entries.get(parent) {
                Some(Kind::Folder) => {}
                Some(_) => {
                    let why = format!("lies in {parent:?}, which is no folder");
                    return Err(self.refused_entry(name, &why));
                }
                None => self.make_folder(name, parent)?,
            }
        }
        Ok(())
    }

    fn make_folder(&mut self, name: &str, path: &str) -> Result<()> {
        let at = self.out.join(path);
        fs::create_dir(&at).map_err(|error| self.not_made(name, &at, error))?;
        self.entries.insert(path.to_owned(), Kind::Folder);
        Ok(())
    }

    /// Checks that nothing has this path yet.
    fn expect_new(&self, name: &str, path: &str) -> Result<()> {
        match self.entries.get(path) {
            None => Ok(()),
            Some(Kind::Folder) => Err(self.refused_entry(name, "is a folder as well")),
            Some(_) => Err(self.refused_entry(name, "comes twice")),
        }
    }

    /// A folder, which may come more than once.
    pub(super) fn folder(&mut self, name: &str) -> Result<()> {
        let Some(path) = self.place(name, true)? else {
            return Ok(());
        };
        match self.entries.get(&path) {
            Some(Kind::Folder) => Ok(()),
            Some(_) => Err(self.refused_entry(name, "is a file or a link as well")),
            None => self.make_folder(name, &path),
        }
    }

    /// A file with all bytes of `data`, which are `size` if that is known.
    pub(super) fn file(
        &mut self,
        name: &str,
        executable: bool,
        data: &mut dyn Read,
        size: Option<u64>,
    ) -> Result<()> {
        let Some(path) = self.place(name, false)? else {
            return Ok(());
        };
        self.expect_new(name, &path)?;
        if size.is_some_and(|size| size > self.limit - self.bytes) {
            return Err(self.too_much());
        }
        let at = self.out.join(&path);
        let file = File::create_new(&at).map_err(|error| self.not_made(name, &at, error))?;
        let written = self.copy(data, file, &at)?;
        if size.is_some_and(|size| size != written) {
            return Err(self.unreadable(&IoErrorKind::UnexpectedEof.into()));
        }
        if executable {
            self.make_executable(&at)?;
        }
        self.entries.insert(path, Kind::File { size: written });
        Ok(())
    }

    /// A file with the bytes of one that came before.
    pub(super) fn hard_link(&mut self, name: &str, target: &str) -> Result<()> {
        let Some(path) = self.place(name, false)? else {
            return Ok(());
        };
        self.expect_new(name, &path)?;
        let before = self.place(target, true)?.unwrap_or_default();
        let Some(Kind::File { size }) = self.entries.get(&before) else {
            let why = format!("is another name of {target:?}, which is no file that came before");
            return Err(self.refused_entry(name, &why));
        };
        let size = *size;
        if size > self.limit - self.bytes {
            return Err(self.too_much());
        }
        self.bytes += size;
        let (from, to) = (self.out.join(before), self.out.join(&path));
        if fs::symlink_metadata(&to).is_ok() {
            return Err(self.not_made(name, &to, IoErrorKind::AlreadyExists.into()));
        }
        // With its mode; and not as a link, since each file of a store has one name.
        fs::copy(&from, &to).map_err(|error| Error::io("write", &to, error))?;
        self.entries.insert(path, Kind::File { size });
        Ok(())
    }

    /// A symbolic link. It is made at the end.
    pub(super) fn link(&mut self, name: &str, target: &[u8]) -> Result<()> {
        let Some(path) = self.place(name, false)? else {
            return Ok(());
        };
        self.expect_new(name, &path)?;
        let target = std::str::from_utf8(target)
            .map_err(|_| self.refused_entry(name, "is a link whose target is not UTF-8"))?;
        check_target(target).map_err(|why| self.refused_entry(name, &why))?;
        let target = target.to_owned();
        self.entries.insert(path, Kind::Link { target });
        Ok(())
    }

    /// Makes the links, if they stay in the folder.
    pub(super) fn finish(self) -> Result<()> {
        if !self.out.exists() {
            fs::create_dir(&self.out)
                .map_err(|error| Error::io("create the folder", &self.out, error))?;
        }
        let entries = self.entries.iter().map(|(path, kind)| Entry {
            path: path.clone(),
            kind: match kind {
                Kind::Folder => EntryKind::Dir,
                // Only where it is matters.
                Kind::File { size } => EntryKind::File {
                    digest: Digest([0; 32]),
                    size: *size,
                    executable: false,
                },
                Kind::Link { target } => EntryKind::Link {
                    target: target.clone(),
                },
            },
        });
        let manifest = Manifest::new(entries.collect())?;
        if let Some((link, lead)) = Paths::of(&manifest).astray().next() {
            let why = match lead {
                Lead::Outside => "is a link that leads out of the archive",
                _ => "is a link to nothing in the archive",
            };
            return Err(self.refused_entry(link.path, why));
        }
        for (path, kind) in &self.entries {
            if let Kind::Link { target } = kind {
                let at = self.out.join(path);
                symlink(target, &at).map_err(|error| self.not_made(path, &at, error))?;
            }
        }
        Ok(())
    }

    /// All of it is one file.
    pub(super) fn single(mut self, mut data: impl Read) -> Result<()> {
        if self.strip > 0 {
            return Err(self
                .refused("it is one compressed file, from which no names can be stripped")
                .help("leave out `strip`"));
        }
        let at = self.out.clone();
        let file = File::create_new(&at).map_err(|error| Error::io("create", &at, error))?;
        self.copy(&mut data, file, &at)?;
        Ok(())
    }

    /// Writes all bytes, as long as the limit allows.
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
                return Err(self.too_much());
            }
            writer.write(&buffer[..read]).map_err(refused)?;
        }
    }

    fn make_executable(&self, at: &Path) -> Result<()> {
        fs::set_permissions(at, Permissions::from_mode(0o755))
            .map_err(|error| Error::io("change the mode of", at, error))
    }

    fn too_much(&self) -> Error {
        match self.free {
            Some(free) => self
                .refused(&format!(
                    "it has more in it than the {free} bytes that are free on the disk"
                ))
                .help("free some space on that file system and run again"),
            None => self
                .refused(&format!("it has more than {} bytes in it", self.limit))
                .help("if that is right, allow more by `Unpacked::limit`"),
        }
    }

    fn not_made(&self, name: &str, at: &Path, error: io::Error) -> Error {
        if error.kind() == IoErrorKind::AlreadyExists {
            return self.refused_entry(
                name,
                "has a name that this file system cannot tell from another's",
            );
        }
        Error::io("create", at, error)
    }

    /// The archive cannot be read to its end.
    pub(super) fn unreadable(&self, error: &io::Error) -> Error {
        match error.kind() {
            IoErrorKind::UnexpectedEof => self
                .refused("it ends too early")
                .help("it was cut short: get it again"),
            _ => self.refused(&format!("it is damaged: {error}")),
        }
    }

    pub(super) fn refused_entry(&self, name: &str, why: &str) -> Error {
        self.refused(&format!("the entry {name:?} {why}"))
    }

    /// The archive is refused; `why` is a sentence.
    pub(super) fn refused(&self, why: &str) -> Error {
        let archive = self.archive.display();
        Error::new(
            ErrorKind::Archive,
            format!("cannot unpack {archive}: {why}"),
        )
        .at(&self.archive)
    }
}
