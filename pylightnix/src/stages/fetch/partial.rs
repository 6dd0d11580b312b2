//! Partial downloads, which survive the end of the process.
//!
//! The store's `cache/fetches/` contains, for each derivation, the bytes, and a JSON file that says where they are from. The
//! build lock of the derivation excludes other writers; a lock on the file excludes garbage collection.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::{DRefId, Digest};
use crate::store::FETCHES;
use crate::store::regular;
use crate::{Error, ErrorKind, Result};

/// A partial download. Bytes are hashed when they are appended.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    length: u64,
}

/// The origin of the bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct Origin {
    /// The URL.
    pub(super) url: String,
    /// The validator of this version of the file: a strong `ETag`, or `Last-Modified`.
    pub(super) version: Option<String>,
}

/// Opens and locks the file. The lock ends when the file is closed.
fn locked(path: &Path) -> Result<File> {
    loop {
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| Error::io("open", path, error))?;
        // Reading a device or a pipe might never end.
        let found = file.metadata();
        if !found.is_ok_and(|found| found.is_file()) {
            let text = format!(
                "{} is not a regular file, as a partial download must be",
                path.display()
            );
            return Err(Error::new(ErrorKind::Stage, text).with_help("remove it and run again"));
        }
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let text = format!("another process writes {}", path.display());
                return Err(
                    Error::new(ErrorKind::Stage, text).with_help("run again when it has ended")
                );
            }
            // Where files cannot be locked, garbage collection removes nothing that may be in use.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        // Garbage collection may have removed the file before it was locked: then try again.
        let here = file.metadata().map(|data| (data.dev(), data.ino()));
        let there = fs::metadata(path).map(|data| (data.dev(), data.ino()));
        if here.ok() == there.ok() {
            return Ok(file);
        }
    }
}

impl Partial {
    /// Opens the partial download of a derivation, which may be empty.
    pub(super) fn open(cache: &Path, dref: &DRefId) -> Result<Self> {
        let folder = cache.join(FETCHES);
        fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create the folder", &folder, error))?;
        let path = folder.join(dref.folder());
        let file = locked(&path)?;
        let mut this = Partial {
            path,
            file,
            hasher: Sha256::new(),
            length: 0,
        };
        this.hash_again()?;
        Ok(this)
    }

    fn hash_again(&mut self) -> Result<()> {
        self.hasher = Sha256::new();
        self.length = 0;
        let mut buffer = vec![0; 128 << 10];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    self.hasher.update(&buffer[..read]);
                    self.length += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", &self.path, error)),
            }
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Returns the SHA-256 digest of the bytes.
    pub(super) fn digest(&self) -> Digest {
        Digest(self.hasher.clone().finalize().into())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|error| Error::io("write", &self.path, error))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Removes all bytes.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.hasher = Sha256::new();
        self.length = 0;
        self.file
            .set_len(0)
            .map_err(|error| Error::io("write", &self.path, error))
    }

    /// Returns the origin of the bytes, if it is known.
    pub(super) fn origin(&self) -> Option<Origin> {
        serde_json::from_slice(&regular::read(&self.origin_file()).ok()?).ok()
    }

    /// Saves the origin of the bytes that follow. After an error it is unknown.
    pub(super) fn set_origin(&self, origin: &Origin) {
        let written = serde_json::to_vec(origin)
            .map_err(io::Error::from)
            .and_then(|bytes| fs::write(self.origin_file(), bytes));
        if written.is_err() {
            let _ = fs::remove_file(self.origin_file());
        }
    }

    fn origin_file(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".json");
        name.into()
    }

    /// Moves the complete file to `target`.
    pub(super) fn finish(mut self, target: &Path) -> Result<()> {
        let _ = fs::remove_file(self.origin_file());
        // The cache may have been emptied or be on another file system: copy from the open file.
        if fs::rename(&self.path, target).is_err() {
            let mut copy =
                File::create(target).map_err(|error| Error::io("create", target, error))?;
            self.file
                .rewind()
                .and_then(|()| io::copy(&mut self.file, &mut copy))
                .map_err(|error| Error::io("write", target, error))?;
            let _ = fs::remove_file(&self.path);
        }
        Ok(())
    }

    /// Removes the partial download.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(self.origin_file());
        let _ = fs::remove_file(&self.path);
    }
}
