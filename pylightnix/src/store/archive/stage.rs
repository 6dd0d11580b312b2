//! Staging the content of an archive: writing it to a temporary folder while verifying it.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, symlinkat};
use std::fs::File;
use std::path::Path;

use super::content::Archive;
use super::inventory::Packed;
use crate::config::Digest;
use crate::store::disk::below::create_file;
use crate::store::disk::durable::Durability;
use crate::store::disk::hashing_stream::{HashingStream, hash_passing};
use crate::store::disk::layout::{OUT, RECORD};
use crate::store::disk::parallel;
use crate::store::disk::sparse::SparseWriter;
use crate::store::object::seal::{finish, finish_folders, threads_to_write};
use crate::store::object::tree::{Entry, EntryKind};
use crate::{Error, Result};

/// Maximum length of a path, in bytes: `PATH_MAX` without the NUL.
const MAX_PATH: usize = if cfg!(target_os = "linux") {
    4095
} else {
    1023
};

impl Archive<'_> {
    /// Checks that the paths of all artifacts in this folder are short enough for the system.
    pub(super) fn check_paths(&self, packed: &Packed, folder: &Path) -> Result<()> {
        let before = folder.as_os_str().len() + OUT.len() + 2;
        let entries = packed.record.manifest().entries().iter();
        for (entry, at) in entries.zip(&packed.artifacts) {
            let length = before + entry.path.len();
            if length > MAX_PATH {
                let why = format!(
                    "is too long for the system: in {} its path has {length} bytes, and {MAX_PATH} is the most",
                    folder.display()
                );
                return Err(self.refused(&self.members[*at].name, &why));
            }
        }
        Ok(())
    }

    /// Stages a realization in the new folder `folder`, in the layout of the store.
    pub(super) fn stage(
        &self,
        packed: &Packed,
        folder: &Path,
        durability: Durability,
    ) -> Result<()> {
        let root = make_folder(&CWD, folder, folder)?;
        let out = make_folder(&root, Path::new(OUT), &folder.join(OUT))?;
        let manifest = packed.record.manifest();
        // A folder sorts before its content. Links come last, so that no file is written through one.
        let all = manifest.entries().iter().zip(&packed.artifacts);
        let mut files = Vec::new();
        for (entry, at) in all.clone() {
            match &entry.kind {
                EntryKind::Link { .. } => {}
                EntryKind::Dir => {
                    mkdirat(&out, &*entry.path, Mode::from_raw_mode(0o700)).map_err(|errno| {
                        let made = folder.join(OUT).join(&entry.path);
                        self.not_made(&self.members[*at].name, &made, errno)
                    })?;
                }
                EntryKind::File {
                    digest, executable, ..
                } => files.push((entry.path.as_str(), *at, digest, *executable)),
            }
        }
        let threads = threads_to_write(durability);
        parallel::map(&files, threads, |_, (path, at, digest, executable)| {
            let made = folder.join(OUT).join(path);
            let file = create_file(&out, path)
                .map_err(|errno| self.not_made(&self.members[*at].name, &made, errno))?;
            self.write(*at, &file, &made, Some(digest))?;
            finish(&file, &made, *executable, durability)
        })?;
        for (entry, at) in all {
            if let Entry {
                path,
                kind: EntryKind::Link { target },
            } = entry
            {
                symlinkat(&**target, &out, &**path).map_err(|errno| {
                    let made = folder.join(OUT).join(path);
                    self.not_made(&self.members[*at].name, &made, errno)
                })?;
            }
        }
        finish_folders(&folder.join(OUT), manifest, durability)?;
        durability.write_new(&folder.join(RECORD), packed.text.as_bytes())?;
        self.write_builds(packed, &root, folder, durability)
    }

    /// Stages only the build records and logs of a realization in the new folder `folder`.
    pub(super) fn stage_builds(
        &self,
        packed: &Packed,
        folder: &Path,
        durability: Durability,
    ) -> Result<()> {
        let root = make_folder(&CWD, folder, folder)?;
        self.write_builds(packed, &root, folder, durability)
    }

    fn write_builds(
        &self,
        packed: &Packed,
        root: &OwnedFd,
        folder: &Path,
        durability: Durability,
    ) -> Result<()> {
        for (name, at) in &packed.builds {
            let path = folder.join(name);
            let file = create_file(root, name)
                .map_err(|errno| Error::io("create", &path, errno.into()))?;
            self.write(*at, &file, &path, None)?;
            durability.sync(&file, &path)?;
        }
        durability.sync_folder(folder)
    }

    /// Verifies the artifacts of a realization without writing anything.
    pub(super) fn verify(&self, packed: &Packed) -> Result<()> {
        let entries = packed.record.manifest().entries().iter();
        let files = entries.zip(&packed.artifacts);
        let files = files.filter_map(|(entry, at)| match &entry.kind {
            EntryKind::File { digest, .. } => Some((*at, digest)),
            _ => None,
        });
        let files: Vec<(usize, &Digest)> = files.collect();
        parallel::map(&files, parallel::cores(), |_, (at, digest)| {
            self.hashed(*at, Some(digest), &mut |_| Ok(()))
        })?;
        Ok(())
    }

    fn write(&self, at: usize, file: &File, path: &Path, digest: Option<&Digest>) -> Result<()> {
        let refused = |error| Error::io("write", path, error);
        let mut writer = SparseWriter::new(file);
        self.hashed(at, digest, &mut |part| writer.write(part).map_err(refused))?;
        writer.finish().map_err(refused)
    }

    fn hashed(
        &self,
        at: usize,
        digest: Option<&Digest>,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let member = &self.members[at];
        let Some(digest) = digest else {
            return self.stream(member, &mut HashingStream::unhashed(member.size), take);
        };
        let (streamed, found) =
            hash_passing(member.size, |passing| self.stream(member, passing, take));
        streamed?;
        if found != *digest {
            return Err(self.refused(&member.name, "does not match the hash in its record"));
        }
        Ok(())
    }

    fn not_made(&self, entry: &str, path: &Path, errno: rustix::io::Errno) -> Error {
        if errno == rustix::io::Errno::EXIST {
            // Paths in a record are unique, so the file system must treat two of them as equal.
            return self.refused(
                entry,
                "has a name that this file system does not distinguish from another",
            );
        }
        Error::io("create", path, errno.into())
    }
}

fn make_folder(parent: &impl AsFd, name: &Path, at: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // The umask decides about a realization's folder; `out` becomes read-only later.
    mkdirat(parent, name, Mode::from_raw_mode(0o777))
        .and_then(|()| openat(parent, name, flags, Mode::empty()))
        .map_err(|errno| Error::io("create the folder", at, errno.into()))
}
