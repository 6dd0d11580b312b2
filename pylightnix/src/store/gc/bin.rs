//! The trash, on its way.

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

/// Deleting waits for the disk's journal more than for anything else.
const THREADS: usize = 8;

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

    /// Moves something there, by one rename. What is gone already is fine. A folder of an image's layer, below an overlay file
    /// system, cannot be moved, and is removed where it is.
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

    /// Deletes it all; `deleted` is told the size of each thing. What cannot be deleted now stays in the trash, for the
    /// next sweep: gives it, each with its size.
    pub(in crate::store) fn empty(self, deleted: &mut dyn FnMut(u64)) -> Vec<(Error, u64)> {
        let next = AtomicUsize::new(0);
        let (tell, told) = mpsc::channel();
        let work = |tell: Sender<Result<u64, (Error, u64)>>| {
            while let Some((path, bytes)) = self.held.get(next.fetch_add(1, Ordering::Relaxed)) {
                let done = remove_tree(path).map_err(|error| Error::io("delete", path, error));
                // An error is no reason to leave the others where they are.
                let _ = tell.send(done.map(|()| *bytes).map_err(|error| (error, *bytes)));
            }
        };
        let work = &work;
        thread::scope(|scope| {
            for at in 0..THREADS.min(self.held.len()) {
                let told_by = tell.clone();
                let thread = thread::Builder::new().spawn_scoped(scope, move || work(told_by));
                if thread.is_err() {
                    // A system out of threads is no reason to fail.
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

/// Removes a realization, or a derivation with its realizations, where it is. The caller is alone. Records go first: whatever
/// is left when this is interrupted is no result, and the next collection takes it.
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
