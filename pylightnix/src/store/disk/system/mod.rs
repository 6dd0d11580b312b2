//! System calls beyond POSIX, with a portable fallback.
//!
//! Two modules have the same functions: [`linux`](self) uses the system calls of Linux; the portable one uses POSIX, with
//! more calls or with weaker guarantees. On Linux, the variable `PYLIGHTNIX_PORTABLE=1` builds and tests the portable
//! module.

#[cfg(all(target_os = "linux", not(pylightnix_portable)))]
mod linux;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(not(all(target_os = "linux", not(pylightnix_portable))))]
mod portable;

#[cfg(all(target_os = "linux", not(pylightnix_portable)))]
use linux as half;
#[cfg(not(all(target_os = "linux", not(pylightnix_portable))))]
use portable as half;

pub(in crate::store) use half::{
    Entries, allocate, change_of, exchange, is_open_for_writing, open_place, rename_new,
    share_blocks, sync_file_system,
};
#[cfg(target_os = "linux")]
pub(crate) use mounts::is_in_memory;
#[cfg(target_os = "linux")]
pub(in crate::store) use mounts::untrusted_system;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::is_in_memory;
#[cfg(not(target_os = "linux"))]
pub(in crate::store) use portable::untrusted_system;

/// A time of a file or folder: seconds since 1970, and nanoseconds.
pub(in crate::store) type FileTime = (i64, u32);

/// The metadata that tells whether, and when, a folder was changed.
pub(in crate::store) struct Change {
    pub(in crate::store) inode: u64,
    /// The link count. On most file systems it counts the subfolders.
    pub(in crate::store) links: u64,
    /// The ctime. Programs cannot set it to any time but now.
    pub(in crate::store) changed: FileTime,
    /// The mtime: when an entry was added or removed. Programs can set it to any time.
    pub(in crate::store) modified: FileTime,
}
