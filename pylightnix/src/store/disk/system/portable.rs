//! The same by what every Unix has.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, DirEntry, Mode, OFlags, open, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::vec;

use super::Change;

/// The entries of a folder. All are read at once: while some are removed, a system may pass over others.
pub(in crate::store) struct Entries(vec::IntoIter<Result<DirEntry, Errno>>);

impl Entries {
    pub(in crate::store) fn new(folder: impl AsFd, _: &mut [MaybeUninit<u8>]) -> Self {
        let mut all = Vec::new();
        match Dir::read_from(folder) {
            Err(errno) => all.push(Err(errno)),
            Ok(entries) => {
                for entry in entries {
                    let is_last = entry.is_err();
                    all.push(entry);
                    if is_last {
                        break;
                    }
                }
            }
        }
        Entries(all.into_iter())
    }

    #[expect(
        clippy::should_implement_trait,
        reason = "entries that are borrowed from a buffer, as Linux gives them, are no iterator"
    )]
    pub(in crate::store) fn next(&mut self) -> Option<Result<DirEntry, Errno>> {
        self.0.next()
    }

    /// Whether no more was read than what was given. There is no buffer that says it.
    pub(in crate::store) fn is_buffer_empty(&self) -> bool {
        false
    }
}

/// Opens a folder to look for things below it.
pub(in crate::store) fn open_place(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(folder, flags, Mode::empty())
}

/// The change of what has this name; links are not followed.
pub(in crate::store) fn change_of(at: BorrowedFd<'_>, name: &Path) -> Result<Change, Errno> {
    let found = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(Change {
        inode: number(found.st_ino),
        links: number(found.st_nlink),
        changed: (number(found.st_ctime), number(found.st_ctime_nsec)),
        modified: (number(found.st_mtime), number(found.st_mtime_nsec)),
    })
}

/// The widths of these fields are the system's.
fn number<T: TryInto<U>, U: Default>(of_any_width: T) -> U {
    of_any_width.try_into().unwrap_or_default()
}

/// POSIX has no such call that waits.
pub(in crate::store) fn sync_file_system(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Exchanges two names.
pub(in crate::store) fn exchange(a: &Path, b: &Path) -> Result<(), Errno> {
    #[cfg(target_vendor = "apple")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)
    }
    #[cfg(not(target_vendor = "apple"))]
    {
        let _ = (a, b);
        Err(Errno::NOSYS)
    }
}

/// Renames what is at `from` where nothing is at `to`.
pub(in crate::store) fn rename_new(from: &Path, to: &Path) -> Result<(), Errno> {
    #[cfg(target_vendor = "apple")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
    }
    #[cfg(not(target_vendor = "apple"))]
    {
        let _ = (from, to);
        Err(Errno::NOSYS)
    }
}

/// POSIX has a call that may write instead of taking room.
pub(in crate::store) fn allocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There is no such call.
pub(in crate::store) fn share_blocks(_: &File, _: &File) -> bool {
    false
}

/// There is no such call.
pub(in crate::store) fn is_open_for_writing(_: &File) -> Option<bool> {
    None
}

/// That writing to a mapping moves no time is known of Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_in_memory(_: &File) -> bool {
    false
}

/// The file system that `root` is on, if locks on it cannot be trusted: those that are not on this machine.
#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
pub(in crate::store) fn untrusted_system(root: &Path) -> Option<String> {
    /// `MNT_LOCAL` of `sys/mount.h`.
    const LOCAL: u64 = 0x1000;
    let found = rustix::fs::statfs(root);
    let is_local = found.is_ok_and(|found| number::<_, u64>(found.f_flags) & LOCAL != 0);
    (!is_local).then(|| "unknown".to_owned())
}

/// No locks are trusted where nothing says on which machine they are.
#[cfg(not(any(target_os = "linux", target_vendor = "apple", target_os = "freebsd")))]
pub(in crate::store) fn untrusted_system(_: &Path) -> Option<String> {
    Some("unknown".to_owned())
}
