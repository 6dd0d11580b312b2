//! The calls of Linux.

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

/// The entries of a folder, by one call for as many as the buffer takes.
pub(in crate::store) use rustix::fs::RawDir as Entries;

/// Opens a folder only to look for things below it. Nobody needs the right to read it.
pub(in crate::store) fn open_place(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(folder, flags, Mode::empty())
}

/// The change of what has this name; links are not followed.
pub(in crate::store) fn change_of(at: BorrowedFd<'_>, name: &Path) -> Result<Change, Errno> {
    // A network file system need not ask for the rest.
    let wanted = StatxFlags::INO | StatxFlags::NLINK | StatxFlags::CTIME | StatxFlags::MTIME;
    let found = statx(at, name, AtFlags::SYMLINK_NOFOLLOW, wanted)?;
    Ok(Change {
        inode: found.stx_ino,
        links: found.stx_nlink.into(),
        changed: (found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
        modified: (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
    })
}

/// Syncs all that was written to a file system; `false` if the system cannot.
pub(in crate::store) fn sync_file_system(folder: &File) -> io::Result<bool> {
    syncfs(folder)?;
    Ok(true)
}

/// Exchanges two names.
pub(in crate::store) fn exchange(a: &Path, b: &Path) -> Result<(), Errno> {
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)
}

/// Renames what is at `from` where nothing is at `to`.
pub(in crate::store) fn rename_new(from: &Path, to: &Path) -> Result<(), Errno> {
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
}

/// Takes room on the disk for so many bytes of a file.
pub(in crate::store) fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    Ok(fallocate(file, FallocateFlags::empty(), 0, bytes)?)
}

/// Lets `to` have the contents of `from` without copying them (ioctl_ficlone(2)), where that can be done.
pub(in crate::store) fn share_blocks(to: &File, from: &File) -> bool {
    ioctl_ficlone(to, from).is_ok()
}

/// Whether anybody has a file open for writing, if the system says. It has to be opened for reading alone.
pub(in crate::store) fn is_open_for_writing(file: &File) -> Option<bool> {
    match lease::take_and_give_back(file) {
        Ok(()) => Some(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(true),
        Err(_) => None,
    }
}

/// The call that no safe crate has.
mod lease {
    #![allow(
        unsafe_code,
        reason = "fcntl(2) takes a descriptor and an integer here"
    )]

    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd as _;

    /// The same on all architectures but PA-RISC (`asm-generic/fcntl.h`).
    const F_SETSIG: libc::c_int = 10;

    pub(super) fn take_and_give_back(file: &File) -> io::Result<()> {
        // Whoever opens it for writing in between has a signal sent here, by default SIGIO, which ends the process. This one is
        // ignored unless somebody handles it.
        fcntl(file, F_SETSIG, libc::SIGURG)?;
        fcntl(file, libc::F_SETLEASE, libc::F_RDLCK)?;
        fcntl(file, libc::F_SETLEASE, libc::F_UNLCK)
    }

    fn fcntl(file: &File, command: libc::c_int, argument: libc::c_int) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `file` is borrowed. These commands take an integer and touch no memory of
        // this process.
        match unsafe { libc::fcntl(file.as_raw_fd(), command, argument) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}
