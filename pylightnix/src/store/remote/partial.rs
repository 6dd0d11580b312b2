//! Blobs of which a part has arrived, which survive the end of the process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::config::Digest;
use crate::store::Store;
use crate::store::disk::duplicate::{Refusal, duplicate};
use crate::{Error, Result};

/// What has arrived of a blob, in the folder where garbage collection looks for downloads that were left behind.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    /// Opens what has arrived of a blob, if anything has. `None` if it cannot be kept, or if another process is fetching this blob.
    pub(super) fn open(store: &Store, blob: &Digest) -> Option<Self> {
        let folder = store.layout().fetches();
        fs::create_dir_all(&folder).ok()?;
        let path = folder.join(format!("blob-{blob}"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path)
            .ok()?;
        file.try_lock().ok()?;
        let here = file.metadata().ok()?;
        let there = fs::symlink_metadata(&path).ok()?;
        // It may have been taken away before it was locked.
        let is_it = here.is_file() && (here.dev(), here.ino()) == (there.dev(), there.ino());
        is_it.then_some(Partial { path, file })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Moves the whole blob of `size` bytes to the place of the empty file `to`, and returns the file that is there now.
    pub(super) fn move_to(mut self, place: &Path, to: File, size: u64) -> Result<File> {
        // The cache may be on another file system.
        if fs::rename(&self.path, place).is_ok() {
            return Ok(self.file);
        }
        let refused = |error: io::Error| Error::io("write", place, error);
        self.file.rewind().map_err(refused)?;
        let copied = duplicate(&self.file, &to, size);
        copied.map_err(|(Refusal::Read(error) | Refusal::Write(error))| refused(error))?;
        let _ = fs::remove_file(&self.path);
        Ok(to)
    }
}
