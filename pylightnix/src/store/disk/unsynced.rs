//! What has to be on the disk before it is renamed to where it can be seen.

use std::fs::File;
use std::path::Path;

use crate::Result;
use crate::store::disk::durable::{Durability, create};
use crate::store::disk::sync_crew::{ToSync, sync_together};

/// Files and folders that are to be synced, all side by side: nothing of them can be seen yet, so that no order matters, and
/// what waits together costs one commit of the file system's journal, and not one each.
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

    /// Adds a file, which stays open until it is synced: a process may not have many.
    pub(in crate::store) fn file(&mut self, path: &Path, file: File) {
        if self.durability == Durability::Full {
            self.all.push((path.to_owned(), Some(file)));
        }
    }

    /// Adds the names in a folder.
    pub(in crate::store) fn folder(&mut self, path: &Path) {
        if self.durability == Durability::Full {
            self.all.push((path.to_owned(), None));
        }
    }

    /// Says that the folder `from`, with all that was added of it, is at `to` now.
    pub(in crate::store) fn moved(&mut self, from: &Path, to: &Path) {
        for (path, _) in &mut self.all {
            if let Ok(below) = path.strip_prefix(from) {
                // Joined with nothing, a path would get a slash at its end.
                *path = match below.as_os_str().is_empty() {
                    true => to.to_owned(),
                    false => to.join(below),
                };
            }
        }
    }

    /// Makes the file `path`, which must not be there yet, and adds it.
    pub(in crate::store) fn create(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        let file = create(path, bytes)?;
        self.file(path, file);
        Ok(())
    }

    /// Syncs all. After an error, what it was to make visible must not be seen.
    pub(in crate::store) fn sync(mut self) -> Result<()> {
        // A folder's sync commits the journal, and files that have not got their blocks by then need another commit.
        self.all.sort_by_key(|(_, file)| file.is_none());
        sync_together(self.all)
    }
}
