//! What tells that a process lives: a file that it holds locked.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use uuid::Uuid;

use super::layout::Layout;
use super::locks::{Attempt, attempt, is_at};
use crate::{Error, Result};

/// The lease of this process on a store, and the folder for what it has under way, `tmp/<the lease's name>`.
pub(super) struct Lease {
    name: String,
    path: PathBuf,
    tmp: PathBuf,
    _file: File,
}

impl Lease {
    /// Makes a new one.
    pub(super) fn take(layout: &Layout) -> Result<Self> {
        loop {
            let name = Uuid::now_v7().to_string();
            let path = layout.leases().join(&name);
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
                .map_err(|error| Error::io("create", &path, error))?;
            // Between making and locking it a sweeper may find it unlocked, take it for a dead process's and remove it.
            if attempt(&file, &path)? == Attempt::Held || !is_at(&file, &path) {
                continue;
            }
            let tmp = layout.tmp().join(&name);
            if let Err(error) = fs::create_dir(&tmp) {
                let _ = fs::remove_file(&path);
                return Err(Error::io("create the folder", &tmp, error));
            }
            return Ok(Lease {
                name,
                path,
                tmp,
                _file: file,
            });
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where this process puts what is not published yet.
    pub(super) fn tmp(&self) -> &Path {
        &self.tmp
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The folder first: without its lease it would be swept. If it is not empty, that is right.
        let _ = fs::remove_dir(&self.tmp);
        let _ = fs::remove_file(&self.path);
    }
}
