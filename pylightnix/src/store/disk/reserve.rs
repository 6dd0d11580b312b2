//! Room that is kept free for the day when the disk is full: garbage collection gives it back before it begins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::store::disk::layout::Layout;
use crate::store::disk::system::allocate;

/// Enough for the folders that renames make longer, and for a file system's own bookkeeping.
const BYTES: u64 = 8 << 20;

/// Takes the room, if it is not taken. Where there is none now, the next collection makes some.
pub(in crate::store) fn reserve(layout: &Layout) {
    let path = layout.reserved();
    let made = OpenOptions::new().write(true).create_new(true).open(&path);
    if let Ok(file) = made
        && fill(file).is_err()
    {
        let _ = fs::remove_file(&path);
    }
}

/// Gives the room back; only a file that is what [`reserve`] made.
pub(in crate::store) fn release(layout: &Layout) {
    let path = layout.reserved();
    if is_ours(&path) {
        // Where this is refused, there may be room enough all the same.
        let _ = fs::remove_file(&path);
    }
}

fn is_ours(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

fn fill(mut file: File) -> io::Result<()> {
    if allocate(&file, BYTES).is_ok() {
        return Ok(());
    }
    let zeros = vec![0; 1 << 20];
    for _ in 0..BYTES / zeros.len() as u64 {
        file.write_all(&zeros)?;
    }
    Ok(())
}
