//! The trash, on its way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use uuid::Uuid;

use crate::store::layout::Layout;
use crate::store::remove::remove_tree;
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
        let next = AtomicUsize::new(0);
        let (tell, told) = mpsc::channel();
        let work = |tell: Sender<Result<u64>>| {
            while let Some((path, bytes)) = self.held.get(next.fetch_add(1, Ordering::Relaxed)) {
                let done = remove_tree(path).map_err(|error| Error::io("delete", path, error));
                // An error is no reason to leave the others where they are.
                let _ = tell.send(done.map(|()| *bytes));
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
