//! The portable fallback, by calls that every Unix has.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, DirEntry, Mode, OFlags, open, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::vec;

use super::Change;

/// Directory entries. All are read at once, because on some systems a listing misses entries when others are removed
/// meanwhile.
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

    /// Whether the next call would read from the disk. Always `false`: there is no buffer to look into.
    pub(in crate::store) fn is_buffer_empty(&self) -> bool {
        false
    }
}

/// Opens a folder, to look up names below it.
pub(in crate::store) fn open_place(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(folder, flags, Mode::empty())
}

/// Returns the change times and identity of `name` in the folder `at`, without following links.
pub(in crate::store) fn change_of(at: BorrowedFd<'_>, name: &Path) -> Result<Change, Errno> {
    let found = statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(Change {
        inode: number(found.st_ino),
        links: number(found.st_nlink),
        changed: (number(found.st_ctime), number(found.st_ctime_nsec)),
        modified: (number(found.st_mtime), number(found.st_mtime_nsec)),
    })
}

/// Converts a field of `stat`, whose width depends on the system.
fn number<T: TryInto<U>, U: Default>(of_any_width: T) -> U {
    of_any_width.try_into().unwrap_or_default()
}

/// Returns `false`: POSIX has no `sync` of one file system that waits for its end.
pub(in crate::store) fn sync_file_system(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Exchanges two paths atomically, where the system supports it.
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

/// Renames `from` to `to` and fails if `to` exists, where the system supports it.
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

/// Unsupported: `posix_fallocate` may write zeros instead of only reserving space.
pub(in crate::store) fn allocate(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns `false`: POSIX has no reflinks.
pub(in crate::store) fn share_blocks(_: &File, _: &File) -> bool {
    false
}

/// Returns `None`: POSIX has no leases.
pub(in crate::store) fn is_open_for_writing(_: &File) -> Option<bool> {
    None
}

/// Returns `false`: only Linux is known to leave the times of a file unchanged after writes to a mapping.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_in_memory(_: &File) -> bool {
    false
}

/// Returns the file system type of `root` if its locks are unreliable, because it is not local to this machine.
#[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
pub(in crate::store) fn untrusted_system(root: &Path) -> Option<String> {
    /// `MNT_LOCAL` of `sys/mount.h`.
    const LOCAL: u64 = 0x1000;
    let found = rustix::fs::statfs(root);
    let is_local = found.is_ok_and(|found| number::<_, u64>(found.f_flags) & LOCAL != 0);
    (!is_local).then(|| "unknown".to_owned())
}

/// Treats all locks as unreliable, because the system does not tell whether a file system is local.
#[cfg(not(any(target_os = "linux", target_vendor = "apple", target_os = "freebsd")))]
pub(in crate::store) fn untrusted_system(_: &Path) -> Option<String> {
    Some("unknown".to_owned())
}
