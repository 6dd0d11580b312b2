//! Reproducible seeds for random numbers.

use crate::config::{DRefId, Digest};

/// Computes the SHA-256 digest of three lines: `pylightnix-seed-v1`, the reference of the derivation, the index of the run.
pub(super) fn seed(dref: &DRefId, index: usize) -> [u8; 32] {
    Digest::of(format!("pylightnix-seed-v1\n{dref}\n{index}\n").as_bytes()).0
}
