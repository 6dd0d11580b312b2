//! Sending a large file to an object store, in parts.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use object_store::path::Path as Place;

use super::asynchronous::{Coming, Waiting};
use crate::store::disk::regular::open_regular;
use crate::{Error, Result};

/// The smallest size of a part, and what is sent as a whole.
pub(super) const PART: u64 = 8 << 20;
/// The most parts that an upload may have; S3 takes 10,000.
const MOST_PARTS: u64 = 9_000;
/// The number of parts that are sent at once.
const AT_ONCE: u64 = 4;
/// The most bytes of parts in memory, if that is more than one part.
const MOST_BYTES: u64 = 64 << 20;

/// The size of the parts of a file of this size: whole MiB.
fn part_size(size: u64) -> u64 {
    size.div_ceil(MOST_PARTS)
        .next_multiple_of(1 << 20)
        .max(PART)
}

/// Puts a file of `size` bytes. The inner error is that of the object store.
pub(super) fn send(
    store: &Waiting,
    object: &Place,
    path: &Path,
    size: u64,
) -> Result<object_store::Result<()>> {
    let (file, _) = open_regular(path).map_err(|error| Error::io("open", path, error))?;
    let part = part_size(size);
    let upload = match store.create_upload(object.clone()) {
        Ok(upload) => upload,
        Err(error) => return Ok(Err(error)),
    };
    let at_once = (MOST_BYTES / part).clamp(1, AT_ONCE) as usize;
    let mut names = Vec::new();
    let mut coming: VecDeque<Coming<String>> = VecDeque::new();
    for (number, from) in (0..size).step_by(part as usize).enumerate() {
        if coming.len() >= at_once {
            match take(&mut coming) {
                Some(Err(error)) => return Ok(Err(error)),
                name => names.extend(name.transpose().ok().flatten()),
            }
        }
        let bytes = read(&file, from, part.min(size - from))
            .map_err(|error| Error::io("read", path, error))?;
        coming.push_back(store.put_part(object.clone(), upload.clone(), number, bytes));
    }
    while let Some(name) = take(&mut coming) {
        match name {
            Ok(name) => names.push(name),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(store.complete_upload(object.clone(), upload, names))
}

fn take(coming: &mut VecDeque<Coming<String>>) -> Option<object_store::Result<String>> {
    coming.pop_front().map(Coming::wait)
}

fn read(file: &File, from: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}
