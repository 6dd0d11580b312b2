//! What the store asks of the system beyond what every Unix has.
//!
//! There are two halves with the same functions: [`linux`](self) has the calls of Linux, and the portable half does the same by those
//! that all have, by more of them or with less certainty. Linux builds and tests the portable half with
//! `RUSTFLAGS="--cfg pylightnix_portable"`.

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

/// What tells that a folder was changed, and when it was.
pub(in crate::store) struct Change {
    pub(in crate::store) inode: u64,
    /// On most file systems it counts the folders in it.
    pub(in crate::store) links: u64,
    /// When anything of it was changed, in seconds and nanoseconds. Nobody can set that time but to now.
    pub(in crate::store) changed: (i64, u32),
    /// When something came to it or went.
    pub(in crate::store) modified: (i64, u32),
}
