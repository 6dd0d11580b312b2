//! Free disk space.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use uuid::Uuid;

/// Returns the bytes available to this user on the file system of `path`, or of its nearest existing ancestor. Returns `None`
/// where the system does not report it.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let found = path
        .ancestors()
        .map(|path| match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        })
        .find_map(|path| rustix::fs::statvfs(path).ok())?;
    // Some file systems report zero blocks.
    (found.f_blocks > 0).then(|| found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether writing to a folder fails because the disk is full or a quota is exceeded. Tests it by a trial write.
pub(crate) fn is_full(folder: &Path) -> bool {
    static BYTES: [u8; 64 << 10] = [1; 64 << 10];
    let path = folder.join(format!(".{}", Uuid::now_v7()));
    let written = File::create_new(&path).and_then(|mut file| file.write_all(&BYTES));
    let _ = fs::remove_file(&path);
    written.is_err_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    })
}
