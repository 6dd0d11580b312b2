//! Reading archives and compressed files of other programs: zip files, tar archives, and what gz, xz and zst compress.

mod compressed;
mod tar;
mod tree;
mod zip;
mod zstd;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek as _};
use std::path::Path;

use crate::{Error, Result};
use compressed::Compression;
use tree::Tree;

/// What an archive may hold.
pub(crate) struct Limits {
    /// The number of leading names to remove from each path.
    pub(crate) strip: u32,
    /// The maximal total size of all files, in bytes; never more than is free on the disk.
    pub(crate) bytes: u64,
    /// The maximal number of files, folders and links.
    pub(crate) entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            strip: 0,
            bytes: u64::MAX,
            entries: u64::MAX,
        }
    }
}

/// Writes the content of an archive into the new folder `out`, or what a compressed file holds into a file of that name. Nothing in it
/// is trusted: entries are written only inside that folder, and links are made last.
pub(crate) fn unpack(path: &Path, out: &Path, limits: &Limits) -> Result<()> {
    let unreadable = |error| Error::io("read", path, error);
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    let data = file.metadata().map_err(unreadable)?;
    let tree = Tree::new(path, out, limits.strip, limits.bytes, limits.entries);
    if !data.is_file() {
        return Err(tree.refused("it is a folder, not an archive"));
    }
    let mut file = BufReader::with_capacity(128 << 10, file);
    let start = start_of(&mut file).map_err(unreadable)?;
    if zip::is_archive(&start) {
        return zip::unpack(file, tree);
    }
    if tar::is_archive(&start) {
        let whole = Cursor::new(start).chain(file);
        return tar::unpack(whole, tree);
    }
    let Some(compression) = Compression::of(&start) else {
        return Err(tree.refused(&unknown(&start)).with_help(
            "zip, tar, gz, xz and zst are supported; a page of HTML often means that the server does not have the file at this address",
        ));
    };
    file.rewind().map_err(unreadable)?;
    let mut inside = compression.read(file);
    let start = start_of(&mut inside).map_err(|error| tree.unreadable(&error))?;
    let is_tar = tar::is_archive(&start);
    let whole = Cursor::new(start).chain(inside);
    if is_tar {
        tar::unpack(whole, tree)
    } else {
        tree.single(whole)
    }
}

/// Reads the first bytes, up to the size of a tar block.
fn start_of(from: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    from.take(tar::BLOCK as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Describes a file of unknown type, for an error message.
fn unknown(start: &[u8]) -> String {
    let known: [(&[u8], &str); 6] = [
        (b"BZh", "bzip2"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07", "rar"),
        (b"LZIP", "lzip"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"!<arch>\n", "ar"),
    ];
    if start.is_empty() {
        return "it is empty, not an archive".to_owned();
    }
    match known.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, name)) => format!("it has the type {name}, which is not supported"),
        None => format!(
            "it has an unknown type: it begins with \"{}\"",
            start[..start.len().min(16)].escape_ascii()
        ),
    }
}
