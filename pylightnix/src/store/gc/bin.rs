//! The trash, on its way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::store::layout::Layout;
use crate::store::parallel;
use crate::store::remove::remove_tree;
use crate::{Error, Result};

/// Deleting waits for the disk's journal more than for anything else.
const THREADS: usize = 8;
/// After so many things it is told how far it is.
const BATCH: usize = 64;

/// What was moved to the trash and is still to be deleted.
pub(in crate::store) struct Bin {
    trash: PathBuf,
    name: Uuid,
    /// Each with its size.
    held: Vec<(PathBuf, u64)>,
}

impl Bin {
    pub(in crate::store) fn new(layout: &Layout) -> Self {
        Bin {
            trash: layout.trash(),
            name: Uuid::now_v7(),
            held: Vec::new(),
        }
    }

    /// Moves something there, by one rename. What is gone already is fine.
    pub(in crate::store) fn put(&mut self, path: &Path, bytes: u64) -> Result<()> {
        let to = self
            .trash
            .join(format!("{}-{}", self.name, self.held.len()));
        match fs::rename(path, &to) {
            Ok(()) => self.held.push((to, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => {}
            Err(error) => return Err(Error::io("move to the trash", path, error)),
        }
        Ok(())
    }

    /// Deletes it all; `deleted` is told the size of each thing. What cannot be deleted now stays in the trash, for the
    /// next sweep.
    pub(in crate::store) fn empty(self, deleted: &mut dyn FnMut(u64)) -> Vec<Error> {
        let mut refused = Vec::new();
        for batch in self.held.chunks(BATCH) {
            let done = parallel::map(batch, THREADS, |_, (path, bytes)| {
                // An error is no reason to leave the others where they are.
                Ok(match remove_tree(path) {
                    Ok(()) => Ok(*bytes),
                    Err(error) => Err(Error::io("delete", path, error)),
                })
            });
            for done in done.into_iter().flatten() {
                match done {
                    Ok(bytes) => deleted(bytes),
                    Err(error) => refused.push(error),
                }
            }
        }
        refused
    }
}
