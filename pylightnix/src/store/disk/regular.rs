//! Reading regular files. Named pipes are refused, as opening one blocks until a writer appears, and so are devices, which may
//! be endless.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a regular file for reading and returns it with its size; fails on anything else.
pub fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let found = file.metadata()?;
    if found.is_dir() {
        return Err(rustix::io::Errno::ISDIR.into());
    }
    if !found.is_file() {
        return Err(not_a_file());
    }
    Ok((file, found.len()))
}

/// Returns the error for a pipe, socket or device in the place of a file.
pub(in crate::store) fn not_a_file() -> io::Error {
    io::Error::other("it is a pipe, a socket or a device where a file should be")
}

/// Reads a regular file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (file, length) = open_regular(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // `take` avoids the `fstat` by which `File::read_to_end` would ask for the size again.
    file.take(u64::MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a regular file as UTF-8.
pub(crate) fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| {
        let why = "stream did not contain valid UTF-8";
        io::Error::new(io::ErrorKind::InvalidData, why)
    })
}
