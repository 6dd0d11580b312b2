//! Recognizing the stores and archives of the Python package pylightnix.

use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::{Error, ErrorKind};

/// The folder of the objects of a Python store, below its root.
pub(in crate::store) const PYTHON_OBJECTS: &str = "store-v0";

/// The length of the fixed part of a zip file's first header, after which the name of the first entry begins.
const ZIP_HEADER: usize = 30;

/// Whether `root` is the root of a Python store, and of no store of this library.
pub(in crate::store) fn is_python_store(root: &Path) -> bool {
    root.join(PYTHON_OBJECTS).is_dir() && !root.join(super::layout::FORMAT).exists()
}

/// Whether the first entry of an archive, as a zip file or a tar archive that may be compressed by gzip, lies in the folder of
/// a Python store's objects. Looks at the first bytes alone.
pub(in crate::store) fn is_python_archive(archive: &File) -> bool {
    let mut start = [0; 512];
    let Ok(read) = archive.read_at(&mut start, 0) else {
        return false;
    };
    let start = &start[..read];
    if start.starts_with(b"PK\x03\x04") {
        return start.get(ZIP_HEADER..).is_some_and(is_python_path);
    }
    if !start.starts_with(b"\x1f\x8b") {
        return is_python_path(start);
    }
    let mut inside = Vec::new();
    let from = From {
        file: archive,
        at: 0,
    };
    let read = GzDecoder::new(from).take(512).read_to_end(&mut inside);
    read.is_ok() && is_python_path(&inside)
}

/// Whether a name in an archive begins with the folder of a Python store's objects.
fn is_python_path(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    name.strip_prefix(PYTHON_OBJECTS.as_bytes())
        .is_some_and(|rest| rest.starts_with(b"/"))
}

/// Makes the error for a Python store or archive in the place of one of this library's.
pub(in crate::store) fn made_by_python(path: &Path, what: &str, kind: ErrorKind) -> Error {
    let path_shown = path.display();
    Error::new(
        kind,
        format!("{path_shown} is {what} of the Python package pylightnix, and nothing was done with it"),
    )
    .at(path)
    .with_help(format!(
        "`pylightnix import {path_shown}` brings its results into a store of this library, which is another folder"
    ))
}

/// Reads a file from an offset, without moving the file's own.
struct From<'a> {
    file: &'a File,
    at: u64,
}

impl io::Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
