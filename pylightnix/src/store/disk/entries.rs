//! The entries of a folder, read with few system calls.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::path::Path;

use crate::store::disk::system::Entries;
use crate::{Error, Result};

/// Calls `give` with the name and inode of each entry of a folder. A path that is no folder, or is missing, has no entries.
pub(in crate::store) fn each_entry(folder: &Path, mut give: impl FnMut(&str, u64)) -> Result<()> {
    let refused = |errno: Errno| Error::io("read the folder", folder, errno.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match open(folder, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        opened => opened.map_err(refused)?,
    };
    let mut buffer = [MaybeUninit::uninit(); 1 << 14];
    let mut entries = Entries::new(opened, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(refused)?;
        // No name of ours is anything but UTF-8.
        if let Ok(name) = entry.file_name().to_str() {
            give(name, entry.ino());
        }
    }
    Ok(())
}
