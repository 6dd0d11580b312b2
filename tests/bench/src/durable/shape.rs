//! What is published.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use pylightnix::prelude::Result;

/// Stages, and the files that each makes.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) stages: u64,
    /// Files of one stage, one after the other.
    pub(super) files: u64,
    /// The size of each file.
    pub(super) bytes: u64,
    /// How many stages may be under way at once; with 1 each is made from the one before.
    pub(super) jobs: usize,
}

/// All that are measured.
pub(super) const SHAPES: &[Shape] = &[
    Shape {
        name: "files",
        what: "one stage of 1,000 files of 4 KiB",
        stages: 1,
        files: 1_000,
        bytes: 4 << 10,
        jobs: 2,
    },
    Shape {
        name: "large",
        what: "one stage of a file of 1 GiB",
        stages: 1,
        files: 1,
        bytes: 1 << 30,
        jobs: 2,
    },
    Shape {
        name: "chain",
        what: "1,000 stages of a file of 100 bytes, a chain",
        stages: 1_000,
        files: 1,
        bytes: 100,
        jobs: 1,
    },
    Shape {
        name: "beside",
        what: "1,000 stages of a file of 100 bytes, side by side, 2 jobs",
        stages: 1_000,
        files: 1,
        bytes: 100,
        jobs: 2,
    },
];

impl Shape {
    pub(super) fn named(name: &str) -> Result<&'static Shape> {
        let found = SHAPES.iter().find(|shape| shape.name == name);
        found.ok_or_else(|| format!("no shape `{name}`").into())
    }
}

/// So many bytes are written at once.
const PIECE: usize = 1 << 20;

/// Writes a file of so many bytes, which `number` decides and which do not compress.
pub(crate) fn write(path: &Path, number: u64, bytes: u64) -> io::Result<File> {
    let mut file = File::create_new(path)?;
    let mut piece = vec![0; PIECE.min(bytes as usize)];
    // A generator of the xorshift sort (Marsaglia 2003); which one does not matter.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in piece.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    let mut left = bytes;
    while left > 0 {
        // So that no two pieces are the same.
        piece[0] = piece[0].wrapping_add(1);
        let length = left.min(PIECE as u64);
        file.write_all(&piece[..length as usize])?;
        left -= length;
    }
    Ok(file)
}
