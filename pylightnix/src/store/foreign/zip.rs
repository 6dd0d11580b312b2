//! Zip files.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::tree::Tree;
use crate::{Error, Result};

/// The file types in a Unix mode.
const KIND: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
/// The maximal length of a link's target, in bytes.
const TARGET: u64 = 4095;

/// Returns whether a zip file begins with these bytes: with an entry, or the end record of an empty archive.
pub(super) fn is_archive(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06")
}

/// Writes the content of the archive.
pub(super) fn unpack(file: BufReader<File>, mut tree: Tree) -> Result<()> {
    let mut archive = ZipArchive::new(file).map_err(|error| fault(&tree, error))?;
    tree.expect_entries(archive.len() as u64)?;
    // Programs may read such archives differently: with duplicate names, overlapping entries, or contradicting headers of an
    // entry. Refuse them.
    if archive.has_duplicate_names() {
        return Err(tree.refused("it has two entries with the same name"));
    }
    archive
        .validate_header_consistency()
        .map_err(|error| fault(&tree, error))?;
    let mut bytes: u64 = 0;
    for at in 0..archive.len() {
        let entry = archive
            .by_index_data(at)
            .map_err(|error| fault(&tree, error))?;
        bytes = bytes.saturating_add(entry.size());
    }
    tree.expect_bytes(bytes)?;
    for at in 0..archive.len() {
        let entry = archive
            .by_index_data(at)
            .map_err(|error| fault(&tree, error))?;
        let name = entry.name().map_err(|error| fault(&tree, error))?;
        let name = name.into_owned();
        if name.contains('\\') {
            return Err(tree.refused_entry(&name, "has a backslash in its name"));
        }
        if entry.encrypted() {
            return Err(tree.refused_entry(&name, "is encrypted"));
        }
        let mode = entry.unix_mode().unwrap_or(0);
        let kind = match mode & KIND {
            _ if entry.is_dir() => FOLDER,
            0 => FILE,
            kind => kind,
        };
        let method = entry.compression();
        if !matches!(
            method,
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            return Err(tree.refused_entry(
                &name,
                &format!("is compressed by {method}, which is not supported"),
            ));
        }
        let size = entry.size();
        let mut data = archive.by_index(at).map_err(|error| fault(&tree, error))?;
        match kind {
            FOLDER if size == 0 => tree.folder(&name)?,
            FOLDER => return Err(tree.refused_entry(&name, "is a folder with content")),
            FILE => tree.file(&name, mode & 0o100 != 0, &mut data, Some(size))?,
            LINK => {
                let mut target = Vec::new();
                data.take(TARGET + 1)
                    .read_to_end(&mut target)
                    .map_err(|error| tree.unreadable(&error))?;
                tree.link(&name, &target)?;
            }
            _ => return Err(tree.refused_entry(&name, "is a device, a pipe or a socket")),
        }
    }
    tree.finish()
}

fn fault(tree: &Tree, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => tree.unreadable(&error),
        ZipError::InvalidArchive(why) if why.contains("EOCD") => {
            tree.unreadable(&ErrorKind::UnexpectedEof.into())
        }
        other => tree.refused(&format!("it is damaged: {other}")),
    }
}
