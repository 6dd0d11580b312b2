//! Removing trees that are read-only, or nested too deep for plain recursion.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fchmod, openat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use uuid::Uuid;

use crate::store::disk::system::Entries;

/// Folders nested deeper than this are moved up before they are removed.
const DEEP: usize = 64;

/// Removes the tree at `path` without following links. A missing path is not an error.
pub(in crate::store) fn remove_tree(path: &Path) -> io::Result<()> {
    match remove(CWD, path, 0) {
        Ok(()) => Ok(()),
        Err(_) => {
            loosen(path)?;
            Ok(remove(CWD, path, 0)?)
        }
    }
}

/// Removes an entry of a folder recursively. Optimized for few system calls: most folders are small, and nearly everything that
/// is created is removed here in the end.
fn remove(parent: BorrowedFd<'_>, name: impl Arg + Copy, depth: usize) -> Result<(), Errno> {
    // Recursion keeps one descriptor open for each level.
    if depth > DEEP {
        return Err(Errno::MFILE);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let folder = match openat(parent, name, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return ignore_missing(unlinkat(parent, name, AtFlags::empty()));
        }
        Err(errno) => return ignore_missing(Err(errno)),
    };
    let mut buffer = Vec::with_capacity(4096);
    let mut entries = Entries::new(&folder, buffer.spare_capacity_mut());
    let mut is_whole = true;
    while let Some(entry) = entries.next() {
        let entry = match entry {
            // The folder was removed by another process while it was listed.
            Err(Errno::NOENT) => break,
            entry => entry?,
        };
        let below = entry.file_name();
        if !matches!(below.to_bytes(), b"." | b"..") {
            let take = || match entry.file_type() {
                FileType::Directory | FileType::Unknown => remove(folder.as_fd(), below, depth + 1),
                _ => ignore_missing(unlinkat(&folder, below, AtFlags::empty())),
            };
            match take() {
                // Published folders are read-only, for their owner too.
                Err(Errno::ACCESS) => fchmod(&folder, Mode::RWXU).and_then(|()| take())?,
                done => done?,
            }
        }
        // Try `rmdir` after the first buffer, which saves the read that would confirm the end.
        if is_whole && entries.is_buffer_empty() {
            is_whole = false;
            match unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                done => return ignore_missing(done),
            }
        }
    }
    ignore_missing(unlinkat(parent, name, AtFlags::REMOVEDIR))
}

/// Treats "not found" as success: another process may be emptying the same trash.
fn ignore_missing(done: Result<(), Errno>) -> Result<(), Errno> {
    match done {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    }
}

/// Makes the folders below `path` writable, and moves deeply nested ones up, as removing them in place would exceed the limit
/// on open files.
fn loosen(path: &Path) -> io::Result<()> {
    let mut folders = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let below = entry.path();
            if depth < DEEP {
                folders.push((below, depth + 1));
            } else {
                // Moving a folder requires write permission on the folder itself.
                fs::set_permissions(&below, Permissions::from_mode(0o700))?;
                let lifted = path.join(Uuid::now_v7().to_string());
                fs::rename(&below, &lifted)?;
                folders.push((lifted, 1));
            }
        }
    }
    Ok(())
}
