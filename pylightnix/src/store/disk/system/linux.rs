//! The system calls of Linux.

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FallocateFlags, Mode, OFlags, RenameFlags, StatxFlags, fallocate, ioctl_ficlone,
    open, renameat_with, statx, syncfs,
};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::Path;

use super::Change;

/// Directory entries, read with `getdents64` into a buffer of the caller.
pub(in crate::store) use rustix::fs::RawDir as Entries;

/// Opens a folder with `O_PATH`, to look up names below it. The folder need not be readable.
pub(in crate::store) fn open_place(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(folder, flags, Mode::empty())
}

/// Returns the change times and identity of `name` in the folder `at`, without following links.
pub(in crate::store) fn change_of(at: BorrowedFd<'_>, name: &Path) -> Result<Change, Errno> {
    // Ask only for the fields that are used: a network file system may answer them from its cache.
    let wanted = StatxFlags::INO | StatxFlags::NLINK | StatxFlags::CTIME | StatxFlags::MTIME;
    let found = statx(at, name, AtFlags::SYMLINK_NOFOLLOW, wanted)?;
    Ok(Change {
        inode: found.stx_ino,
        links: found.stx_nlink.into(),
        changed: (found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
        modified: (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
    })
}

/// Syncs the file system that `folder` is on (`syncfs`). Returns `false` if the system does not support it.
pub(in crate::store) fn sync_file_system(folder: &File) -> io::Result<bool> {
    syncfs(folder)?;
    Ok(true)
}

/// Exchanges two paths atomically (`RENAME_EXCHANGE`).
pub(in crate::store) fn exchange(a: &Path, b: &Path) -> Result<(), Errno> {
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)
}

/// Renames `from` to `to`, and fails if `to` exists (`RENAME_NOREPLACE`).
pub(in crate::store) fn rename_new(from: &Path, to: &Path) -> Result<(), Errno> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
}

/// Allocates `bytes` bytes of disk space for a file.
pub(in crate::store) fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    Ok(fallocate(file, FallocateFlags::empty(), 0, bytes)?)
}

/// Makes `to` a reflink of `from`, which shares its blocks (ioctl_ficlone(2)). Returns `false` if that is not possible.
pub(in crate::store) fn share_blocks(to: &File, from: &File) -> bool {
    ioctl_ficlone(to, from).is_ok()
}

/// Whether any process has the file open for writing; `None` if the system does not tell. `file` must be opened for reading
/// only.
pub(in crate::store) fn is_open_for_writing(file: &File) -> Option<bool> {
    match lease::take_and_give_back(file) {
        Ok(()) => Some(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(true),
        Err(_) => None,
    }
}

/// The `fcntl` commands that no safe crate offers.
mod lease {
    #![allow(
        unsafe_code,
        reason = "fcntl(2) takes a descriptor and an integer here"
    )]

    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd as _;

    /// The value on all architectures except PA-RISC (`asm-generic/fcntl.h`).
    const F_SETSIG: libc::c_int = 10;

    pub(super) fn take_and_give_back(file: &File) -> io::Result<()> {
        // If a process opens the file for writing while the lease is held, the kernel sends this process a signal. The
        // default, SIGIO, would end the process; SIGURG is ignored unless a handler is installed.
        fcntl(file, F_SETSIG, libc::SIGURG)?;
        fcntl(file, libc::F_SETLEASE, libc::F_RDLCK)?;
        fcntl(file, libc::F_SETLEASE, libc::F_UNLCK)
    }

    fn fcntl(file: &File, command: libc::c_int, argument: libc::c_int) -> io::Result<()> {
        // SAFETY: the descriptor stays open while `file` is borrowed. These commands take an integer and touch no memory of
        // this process.
        match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}
