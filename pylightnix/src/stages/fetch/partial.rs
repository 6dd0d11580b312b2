//! The part of a file that has arrived, which outlives the process.
//!
//! In the store's `cache/fetches/`, by the derivation: the bytes, and beside them, as JSON, whom they are from. The build
//! lock of the derivation sees to it that one process writes there; a lock on the file tells a collection that it does.

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

/// The bytes so far. What is written is hashed.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    length: u64,
}

/// Whose bytes they are.
#[derive(Serialize, Deserialize)]
pub(super) struct Origin {
    /// The address that they are from.
    pub(super) url: String,
    /// What the server calls this version of the file: a strong `ETag`, or its `Last-Modified`.
    pub(super) version: Option<String>,
}

/// The file, locked as long as it is open.
fn locked(path: &Path) -> Result<File> {
    loop {
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| Error::io("open", path, error))?;
        // From anything else there may be no end of bytes, or nobody who sends any.
        let found = file.metadata();
        if !found.is_ok_and(|found| found.is_file()) {
            let text = format!("{} is no file, as a part of a download is", path.display());
            return Err(Error::new(ErrorKind::Stage, text).help("remove it and run again"));
        }
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let text = format!("another process writes {}", path.display());
                return Err(Error::new(ErrorKind::Stage, text).help("run again when it has ended"));
            }
            // Where files cannot be locked, nothing is collected that others may use.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        // A collection may have been quicker.
        let here = file.metadata().map(|data| (data.dev(), data.ino()));
        let there = fs::metadata(path).map(|data| (data.dev(), data.ino()));
        if here.ok() == there.ok() {
            return Ok(file);
        }
    }
}

impl Partial {
    /// What there is of the file of this derivation, if only nothing.
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

    /// The sha256 of what there is.
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

    /// Forgets all bytes.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.hasher = Sha256::new();
        self.length = 0;
        self.file
            .set_len(0)
            .map_err(|error| Error::io("write", &self.path, error))
    }

    /// Whose bytes they are, if that is known.
    pub(super) fn origin(&self) -> Option<Origin> {
        serde_json::from_slice(&regular::read(&self.beside()).ok()?).ok()
    }

    /// Notes whose bytes will follow. If that cannot be written, it is not known later.
    pub(super) fn set_origin(&self, origin: &Origin) {
        let written = serde_json::to_vec(origin)
            .map_err(io::Error::from)
            .and_then(|bytes| fs::write(self.beside(), bytes));
        if written.is_err() {
            let _ = fs::remove_file(self.beside());
        }
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".json");
        name.into()
    }

    /// Makes it the file at `target`.
    pub(super) fn finish(mut self, target: &Path) -> Result<()> {
        let _ = fs::remove_file(self.beside());
        // Somebody may have emptied the cache, or it is on another file system: the bytes are still in hand.
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

    /// Removes it: the bytes are of no use.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(self.beside());
        let _ = fs::remove_file(&self.path);
    }
}
