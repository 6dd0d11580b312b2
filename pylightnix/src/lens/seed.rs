//! Random numbers that are the same each time.

use crate::config::{DRefId, Digest};

/// The sha256 of these three lines: `pylightnix-seed-v1`, the derivation's reference, the run's index.
pub(super) fn seed(dref: &DRefId, index: usize) -> [u8; 32] {
    Digest::of(format!("pylightnix-seed-v1\n{dref}\n{index}\n").as_bytes()).0
}
