//! How much room there is.

use std::path::Path;

/// How many bytes are free for this user on the file system of `path`, or of the nearest folder above it that is there;
/// nothing where that cannot be known.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let found = path
        .ancestors()
        .map(|path| match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        })
        .find_map(|path| rustix::fs::statvfs(path).ok())?;
    // Some file systems say nothing.
    (found.f_blocks > 0).then(|| found.f_bavail.saturating_mul(found.f_frsize))
}
