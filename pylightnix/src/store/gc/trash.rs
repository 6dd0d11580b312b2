//! The trash: objects that were removed from the store by a rename and still have to be deleted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use uuid::Uuid;

use crate::store::disk::layout::{Layout, RECORD};
use crate::store::disk::remove::remove_tree;
use crate::store::disk::there::{is_absence, is_there};
use crate::{Error, Result};

/// Deletion mostly waits for the file system's journal, so more threads than cores pay off.
const THREADS: usize = 8;

/// Objects that were moved to the trash and are to be deleted.
pub(in crate::store) struct Trash {
    trash: PathBuf,
    name: Uuid,
    /// Paths in the trash, with the sizes of the objects.
    held: Vec<(PathBuf, u64)>,
}

impl Trash {
    pub(in crate::store) fn new(layout: &Layout) -> Self {
        Trash {
            trash: layout.trash(),
            name: Uuid::now_v7(),
            held: Vec::new(),
        }
    }

    pub(in crate::store) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Moves an object to the trash by one rename. A missing object is not an error. A folder from a lower layer of an overlay
    /// file system cannot be renamed, and is deleted in place.
    pub(in crate::store) fn put(&mut self, path: &Path, bytes: u64) -> Result<()> {
        let to = self
            .trash
            .join(format!("{}-{}", self.name, self.held.len()));
        match fs::rename(path, &to) {
            Ok(()) => self.held.push((to, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_there(path)? => {}
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                remove_in_place(path).map_err(|error| Error::io("remove", path, error))?;
            }
            Err(error) => return Err(Error::io("move to the trash", path, error)),
        }
        Ok(())
    }

    /// Deletes everything, and calls `deleted` with the size of each object. Returns the errors, with sizes, for objects that
    /// could not be deleted; they stay in the trash for the next sweep.
    pub(in crate::store) fn empty(self, deleted: &mut dyn FnMut(u64)) -> Vec<(Error, u64)> {
        let next = AtomicUsize::new(0);
        let (tell, told) = mpsc::channel();
        let work = |tell: Sender<Result<u64, (Error, u64)>>| {
            while let Some((path, bytes)) = self.held.get(next.fetch_add(1, Ordering::Relaxed)) {
                let done = remove_tree(path).map_err(|error| Error::io("delete", path, error));
                // Continue with the others after an error.
                let _ = tell.send(done.map(|()| *bytes).map_err(|error| (error, *bytes)));
            }
        };
        let work = &work;
        thread::scope(|scope| {
            for at in 0..THREADS.min(self.held.len()) {
                let told_by = tell.clone();
                let thread = thread::Builder::new().spawn_scoped(scope, move || work(told_by));
                if thread.is_err() {
                    // Failing to start a thread is not an error.
                    if at == 0 {
                        work(tell.clone());
                    }
                    break;
                }
            }
            drop(tell);
            let mut refused = Vec::new();
            for done in told {
                match done {
                    Ok(bytes) => deleted(bytes),
                    Err(error) => refused.push(error),
                }
            }
            refused
        })
    }
}

/// Deletes a realization, or a derivation with its realizations, in place. The caller holds the exclusive lock. Records are
/// deleted first, so that an interruption leaves no realizations, only remains for the next collection.
fn remove_in_place(path: &Path) -> io::Result<()> {
    let mut folders = vec![path.to_owned()];
    for entry in fs::read_dir(path)? {
        folders.push(entry?.path());
    }
    for folder in folders {
        match fs::remove_file(folder.join(RECORD)) {
            Err(error) if !is_absence(&error) => return Err(error),
            _ => {}
        }
    }
    remove_tree(path)
}
