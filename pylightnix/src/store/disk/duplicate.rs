//! Copying a file while hashing the copy.

use std::fs::File;
use std::io::{self, Read as _};

use crate::config::Digest;
use crate::store::disk::hashing_stream::hash_passing;
use crate::store::disk::sparse::SparseWriter;
use crate::store::disk::system::share_blocks;
use crate::store::object::seal::hash;

/// Which of the two files caused a failed copy.
pub(crate) enum Refusal {
    Read(io::Error),
    Write(io::Error),
}

/// Copies up to `size` bytes of `from` into the empty file `to`, and returns the hash and size of the copy, computed from the
/// bytes that were written. Shares blocks where the file system supports reflinks (Btrfs, XFS); elsewhere writes blocks of
/// zeros as holes, so that a sparse file stays sparse.
pub(crate) fn duplicate(mut from: &File, to: &File, size: u64) -> Result<(Digest, u64), Refusal> {
    if size > 0 && share_blocks(to, from) {
        return hash(to).map_err(Refusal::Write);
    }
    let mut writer = SparseWriter::new(to);
    let (size, digest) = hash_passing(size, |passing| {
        while passing.size() < size {
            let length = (size - passing.size()).min(passing.buffer().len() as u64);
            let part = &mut passing.buffer()[..length as usize];
            let read = match from.read(part) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Refusal::Read(error)),
            };
            writer.write(&part[..read]).map_err(Refusal::Write)?;
            passing.pass(read);
        }
        Ok(passing.size())
    });
    let size = size?;
    writer.finish().map_err(Refusal::Write)?;
    Ok((digest, size))
}
