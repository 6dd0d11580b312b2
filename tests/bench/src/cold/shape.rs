//! The stages to publish.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use pylightnix::prelude::Result;

/// A number of stages, and the files that each of them makes.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// The measured numbers of stages.
    pub(super) sizes: &'static [u64],
    /// The number of files of one stage.
    pub(super) files: u64,
    /// The size of each file.
    pub(super) bytes: u64,
    /// The number of jobs; with 1, each stage depends on the previous one.
    pub(super) jobs: usize,
}

/// All measured shapes.
pub(super) const SHAPES: &[Shape] = &[
    Shape {
        name: "chain",
        what: "stages of a file of 100 bytes, a chain",
        sizes: &[1_000, 10_000],
        files: 1,
        bytes: 100,
        jobs: 1,
    },
    Shape {
        name: "beside",
        what: "stages of a file of 100 bytes, side by side, 2 jobs",
        sizes: &[1_000, 10_000],
        files: 1,
        bytes: 100,
        jobs: 2,
    },
    Shape {
        name: "files",
        what: "stage of 1,000 files of 4 KiB",
        sizes: &[1],
        files: 1_000,
        bytes: 4 << 10,
        jobs: 2,
    },
    Shape {
        name: "large",
        what: "stage of a file of 1 GiB",
        sizes: &[1],
        files: 1,
        bytes: 1 << 30,
        jobs: 2,
    },
];

impl Shape {
    pub(super) fn named(name: &str) -> Result<&'static Shape> {
        let found = SHAPES.iter().find(|shape| shape.name == name);
        found.ok_or_else(|| format!("no shape `{name}`").into())
    }
}

/// The number of bytes per write.
const PIECE: usize = 1 << 20;

/// Writes an incompressible file of this size, which `number` determines.
pub(crate) fn write(path: &Path, number: u64, bytes: u64) -> io::Result<File> {
    let mut file = File::create_new(path)?;
    let mut piece = vec![0; PIECE.min(bytes as usize)];
    // An xorshift generator (Marsaglia 2003).
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for word in piece.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    let mut left = bytes;
    while left > 0 {
        // Makes each piece different.
        piece[0] = piece[0].wrapping_add(1);
        let length = left.min(PIECE as u64);
        file.write_all(&piece[..length as usize])?;
        left -= length;
    }
    Ok(file)
}
