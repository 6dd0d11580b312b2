//! Files of caches: magic bytes, a CRC-32 checksum, and the body. Files are replaced as a whole.

use std::fs;
use std::path::{Path, PathBuf};

use crate::store::disk::bytes::Reader;
use crate::store::disk::durable::{Durability, is_not_found};
use crate::store::disk::regular;
use crate::{Error, Result};

/// Reads a file and returns its bytes with the offset of the body. Returns `None` if it is missing, of another kind, or
/// corrupt.
pub(in crate::store) fn read(path: &Path, magic: &[u8]) -> Option<(Vec<u8>, usize)> {
    let bytes = regular::read(path).ok()?;
    let mut reader = Reader(bytes.strip_prefix(magic)?);
    let checksum = reader.u32()?;
    let from = bytes.len() - reader.0.len();
    (crc32fast::hash(reader.0) == checksum).then_some((bytes, from))
}

/// A function that returns an unused path for a temporary file on the store's file system.
pub(in crate::store) type Temporary<'a> = &'a dyn Fn() -> Result<PathBuf>;

/// Creates or replaces a file, creating its folder if needed.
pub(in crate::store) fn write(
    temporary: Temporary<'_>,
    path: &Path,
    magic: &[u8],
    rest: &[u8],
) -> Result<()> {
    let mut bytes = Vec::with_capacity(magic.len() + 4 + rest.len());
    bytes.extend_from_slice(magic);
    bytes.extend_from_slice(&crc32fast::hash(rest).to_le_bytes());
    bytes.extend_from_slice(rest);
    let draft = temporary()?;
    // Not synced: the checksum detects a file that a power cut damaged.
    let replace = || Durability::None.replace_file(&draft, path, &bytes);
    match replace() {
        // The folder of the cache is missing, unless that of the draft is: then the whole store is gone.
        Err(error) if is_not_found(&error) && draft.parent().is_some_and(Path::exists) => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
            }
            replace()
        }
        done => done,
    }
}
