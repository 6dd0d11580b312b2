//! The bytes of a file in another one, hashed on the way.

use std::fs::File;
use std::io::{self, Read as _};

use crate::config::Digest;
use crate::store::disk::passing::hash_passing;
use crate::store::disk::sparse::SparseWriter;
use crate::store::disk::system::share_blocks;
use crate::store::object::seal::hash;

/// Which of the two files failed.
pub(crate) enum Refusal {
    Read(io::Error),
    Write(io::Error),
}

/// Gives `to`, which is empty, the first `size` bytes of `from`, all of them if it has no more. Blocks are shared where the
/// file system can (Btrfs, XFS); elsewhere blocks of zeros become holes, so that a file with holes takes no more room than before. Says what is in `to` then: the hash is of what was written, and not of what was read.
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
