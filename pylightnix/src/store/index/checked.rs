//! Files of the index: a magic text, a checksum (CRC-32) of the rest, and the rest. Each is replaced as a whole.

use std::fs;
use std::path::{Path, PathBuf};

use crate::store::disk::bytes::Reader;
use crate::store::disk::durable::Durability;
use crate::store::disk::regular;
use crate::{Error, Result};

/// All of a file, and where in it the rest begins; nothing if it is not there, or is none of that kind, or is damaged.
pub(super) fn read(path: &Path, magic: &[u8]) -> Option<(Vec<u8>, usize)> {
    let bytes = regular::read(path).ok()?;
    let mut reader = Reader(bytes.strip_prefix(magic)?);
    let checksum = reader.u32()?;
    let from = bytes.len() - reader.0.len();
    (crc32fast::hash(reader.0) == checksum).then_some((bytes, from))
}

/// Gives a free name for a temporary file on the file system of the store.
pub(in crate::store) type Temporary<'a> = &'a dyn Fn() -> Result<PathBuf>;

/// Puts a file there, in place of one that may be there, and makes its folder if need be.
pub(super) fn write(
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
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    }
    // What a power cut leaves of it has another checksum.
    Durability::None.replace_file(&draft, path, &bytes)
}
