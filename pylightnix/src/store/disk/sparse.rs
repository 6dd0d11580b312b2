//! Sparse file writes: blocks of zeros become holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// The granularity of holes, a multiple of the block size of every file system.
const BLOCK: usize = 16 << 10;

/// Writes a file sequentially to its end, leaving holes for zeros.
pub(crate) struct SparseWriter<'a> {
    file: &'a File,
    at: u64,
    /// Whether the file ends in a hole, so that its length has to be set.
    is_short: bool,
}

impl<'a> SparseWriter<'a> {
    pub(crate) fn new(file: &'a File) -> Self {
        SparseWriter {
            file,
            at: 0,
            is_short: false,
        }
    }

    /// Goes on with a file that is `at` bytes long.
    pub(crate) fn going_on(file: &'a File, at: u64) -> Self {
        SparseWriter {
            at,
            ..SparseWriter::new(file)
        }
    }

    /// Appends `part`, skipping whole blocks of zeros.
    pub(crate) fn write(&mut self, part: &[u8]) -> io::Result<()> {
        let mut rest = part;
        while !rest.is_empty() {
            let zeros = blocks(rest, self.at, true);
            if zeros > 0 {
                self.at += zeros as u64;
                self.is_short = true;
                rest = &rest[zeros..];
                continue;
            }
            let length = blocks(rest, self.at, false);
            self.file.write_all_at(&rest[..length], self.at)?;
            self.at += length as u64;
            self.is_short = false;
            rest = &rest[length..];
        }
        Ok(())
    }

    /// Extends the file to its full length if it ends in a hole.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.is_short {
            true => self.file.set_len(self.at),
            false => Ok(()),
        }
    }
}

/// Returns the length of the prefix of `part` that consists only of holes (`zeros`) or only of data. `at` is the offset of
/// `part` in the file. A block counts as a hole only if all of it is inside `part`.
fn blocks(part: &[u8], at: u64, zeros: bool) -> usize {
    let mut length = 0;
    while length < part.len() {
        let at = at + length as u64;
        let to_end = BLOCK - (at % BLOCK as u64) as usize;
        let block = &part[length..part.len().min(length + to_end)];
        let is_hole = block.len() == BLOCK && is_zero(block);
        if is_hole != zeros {
            break;
        }
        length += block.len();
    }
    length
}

fn is_zero(block: &[u8]) -> bool {
    // Most blocks differ in the first byte; the shifted comparison runs at memory speed.
    block[0] == 0 && block[1..] == block[..block.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn what_is_written_is_what_comes() {
        let mut bytes = vec![0; 40 * BLOCK + 17];
        for at in [5 * BLOCK + 1, 9 * BLOCK - 1, 20 * BLOCK] {
            bytes[at] = 1;
        }
        for piece in [1000, BLOCK / 2, BLOCK, 4 * BLOCK, bytes.len()] {
            for length in [0, 1, BLOCK, 39 * BLOCK, bytes.len()] {
                let file = tempfile::tempfile().unwrap();
                let mut writer = SparseWriter::new(&file);
                for part in bytes[..length].chunks(piece) {
                    writer.write(part).unwrap();
                }
                writer.finish().unwrap();
                let mut found = vec![7; length];
                assert_eq!(file.metadata().unwrap().len(), length as u64);
                file.read_exact_at(&mut found, 0).unwrap();
                assert!(found == bytes[..length], "{piece} {length}");
                if piece >= BLOCK && length == bytes.len() {
                    let room = file.metadata().unwrap().blocks() * 512;
                    assert!(room <= 5 * BLOCK as u64, "{piece}: {room}");
                }
            }
        }
    }
}
