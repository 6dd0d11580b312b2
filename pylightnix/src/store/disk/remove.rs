//! Removing trees that were made read-only, or too deep to be removed as they are.

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

/// Deeper folders are lifted up.
const DEEP: usize = 64;

/// Removes whatever is at `path`, links as links; nothing there is fine.
pub(in crate::store) fn remove_tree(path: &Path) -> io::Result<()> {
    match remove(CWD, path, 0) {
        Ok(()) => Ok(()),
        Err(_) => {
            loosen(path)?;
            Ok(remove(CWD, path, 0)?)
        }
    }
}

/// Removes what has this name in a folder, by as few calls as may be: most folders are small, and nearly all that is ever
/// made is removed here one day.
fn remove(parent: BorrowedFd<'_>, name: impl Arg + Copy, depth: usize) -> Result<(), Errno> {
    // A folder stays open for each one that it is in.
    if depth > DEEP {
        return Err(Errno::MFILE);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let folder = match openat(parent, name, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOTDIR | Errno::LOOP) => return gone(unlinkat(parent, name, AtFlags::empty())),
        Err(errno) => return gone(Err(errno)),
    };
    let mut buffer = Vec::with_capacity(4096);
    let mut entries = Entries::new(&folder, buffer.spare_capacity_mut());
    let mut is_whole = true;
    while let Some(entry) = entries.next() {
        let entry = match entry {
            // It was removed while it was read.
            Err(Errno::NOENT) => break,
            entry => entry?,
        };
        let below = entry.file_name();
        if !matches!(below.to_bytes(), b"." | b"..") {
            let take = || match entry.file_type() {
                FileType::Directory | FileType::Unknown => remove(folder.as_fd(), below, depth + 1),
                _ => gone(unlinkat(&folder, below, AtFlags::empty())),
            };
            match take() {
                // What is published may be changed by nobody, its owner included.
                Err(Errno::ACCESS) => fchmod(&folder, Mode::RWXU).and_then(|()| take())?,
                done => done?,
            }
        }
        // What was read at once is all, unless the folder says that it is not empty.
        if is_whole && entries.is_buffer_empty() {
            is_whole = false;
            match unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                done => return gone(done),
            }
        }
    }
    gone(unlinkat(parent, name, AtFlags::REMOVEDIR))
}

/// Somebody else may be emptying the same trash.
fn gone(done: Result<(), Errno>) -> Result<(), Errno> {
    match done {
        Err(Errno::NOENT) => Ok(()),
        done => done,
    }
}

/// Lets the owner remove what is in the folders below `path`, and lifts up those that lie so deep that removing them all
/// at once would take more open files than a process may have.
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
                // A folder can only be moved by who may write to it.
                fs::set_permissions(&below, Permissions::from_mode(0o700))?;
                let lifted = path.join(Uuid::now_v7().to_string());
                fs::rename(&below, &lifted)?;
                folders.push((lifted, 1));
            }
        }
    }
    Ok(())
}
