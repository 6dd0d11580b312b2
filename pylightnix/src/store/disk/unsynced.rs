//! Files and folders that have to be synced before the rename that publishes them.

use std::fs::File;
use std::path::Path;

use crate::Result;
use crate::store::disk::durable::{Durability, create};
use crate::store::disk::sync_pool::{ToSync, sync_together};

/// A set of files and folders to sync in parallel. They are not visible yet, so their order does not matter, and syncs that
/// wait together share one journal commit.
pub(in crate::store) struct Unsynced {
    durability: Durability,
    all: Vec<ToSync>,
}

impl Unsynced {
    pub(in crate::store) fn new(durability: Durability) -> Self {
        Unsynced {
            durability,
            all: Vec::new(),
        }
    }

    pub(in crate::store) fn durability(&self) -> Durability {
        self.durability
    }

    /// Adds a file, keeping it open until it is synced; the caller limits how many.
    pub(in crate::store) fn file(&mut self, path: &Path, file: File) {
        if self.durability == Durability::Full {
            self.all.push((path.to_owned(), Some(file)));
        }
    }

    /// Adds the directory entries of a folder.
    pub(in crate::store) fn folder(&mut self, path: &Path) {
        if self.durability == Durability::Full {
            self.all.push((path.to_owned(), None));
        }
    }

    /// Updates the added paths after the folder `from` was renamed to `to`.
    pub(in crate::store) fn moved(&mut self, from: &Path, to: &Path) {
        for (path, _) in &mut self.all {
            if let Ok(below) = path.strip_prefix(from) {
                // Joining an empty path would append a slash.
                *path = match below.as_os_str().is_empty() {
                    true => to.to_owned(),
                    false => to.join(below),
                };
            }
        }
    }

    /// Creates the file `path`, which must not exist, and adds it.
    pub(in crate::store) fn create(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        let file = create(path, bytes)?;
        self.file(path, file);
        Ok(())
    }

    /// Syncs everything. After an error, the caller must not publish the files.
    pub(in crate::store) fn sync(mut self) -> Result<()> {
        // Files come first: syncing a folder commits the journal, and files whose blocks are allocated later need a second
        // commit.
        self.all.sort_by_key(|(_, file)| file.is_none());
        sync_together(self.all)
    }
}
