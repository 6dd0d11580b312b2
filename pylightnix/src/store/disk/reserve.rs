//! The reserve file: disk space that garbage collection frees first when the disk is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::store::disk::layout::Layout;
use crate::store::disk::system::allocate;

/// Enough for folders that grow by renames, and for file system metadata.
const BYTES: u64 = 8 << 20;

/// Creates the reserve file if it is missing. If there is no space now, the next collection tries again.
pub(in crate::store) fn reserve(layout: &Layout) {
    let path = layout.reserved();
    let made = OpenOptions::new().write(true).create_new(true).open(&path);
    if let Ok(file) = made
        && fill(&file).is_err()
    {
        // A process that is being started may still have the file open, and would keep its space.
        let _ = file.set_len(0);
        let _ = fs::remove_file(&path);
    }
}

/// Deletes the reserve file, if it is a regular file as [`reserve`] creates it.
pub(in crate::store) fn release(layout: &Layout) {
    let path = layout.reserved();
    if is_ours(&path) {
        // Best effort: there may be enough free space anyway.
        let _ = fs::remove_file(&path);
    }
}

fn is_ours(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

fn fill(mut file: &File) -> io::Result<()> {
    if allocate(file, BYTES).is_ok() {
        return Ok(());
    }
    let zeros = vec![0; 1 << 20];
    for _ in 0..BYTES / zeros.len() as u64 {
        file.write_all(&zeros)?;
    }
    Ok(())
}
