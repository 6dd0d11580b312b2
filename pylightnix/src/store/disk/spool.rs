//! Unnamed temporary files, for streams that have to be read or written out of order.

use std::env;
use std::fs::{self, File};
use std::io;
use std::io::{Read, Seek as _};
use std::path::Path;
use uuid::Uuid;

use crate::{Error, Result};

/// Creates an empty unlinked file in `folder`, or in the system's temporary folder if `folder` is not writable. The system
/// frees it on close.
pub(crate) fn unnamed(folder: &Path) -> Result<File> {
    let here = make(folder);
    let elsewhere = env::temp_dir();
    here.or_else(|_| make(&elsewhere))
        .map_err(|error| Error::io("create a file in", &elsewhere, error))
}

fn make(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("spool-{}", Uuid::now_v7()));
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Copies a stream into an unnamed file in `folder`, rewound. `name` identifies the stream in error messages.
pub(in crate::store) fn spooled(mut from: impl Read, name: &Path, folder: &Path) -> Result<File> {
    let mut file = unnamed(folder)?;
    io::copy(&mut from, &mut file)
        .and_then(|_| file.rewind())
        .map_err(|error| Error::io("read", name, error))?;
    Ok(file)
}
