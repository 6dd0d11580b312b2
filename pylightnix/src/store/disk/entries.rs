//! Directory listing.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::fs::{self, DirEntry};
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

use crate::store::disk::system::Entries;
use crate::{Error, Result};

/// Returns the entries of a folder, in no order. A missing folder has no entries; a path that is not a folder is an error.
pub(in crate::store) fn entries(
    folder: &Path,
) -> Result<impl Iterator<Item = Result<DirEntry>> + '_> {
    let refused = |error| Error::io("read the folder", folder, error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        entries => Some(entries.map_err(refused)?),
    };
    let entries = entries.into_iter().flatten();
    Ok(entries.map(move |entry| entry.map_err(refused)))
}

/// Calls `give` with the name and inode number of each entry, with few system calls. A path that is missing or not a folder has no entries.
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
        // The store creates only UTF-8 names; others are foreign.
        if let Ok(name) = entry.file_name().to_str() {
            give(name, entry.ino());
        }
    }
    Ok(())
}
