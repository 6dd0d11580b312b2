//! Deciding whether to deflate, and deflating. The output is deterministic and independent of the number of threads.

use flate2::{Compress, Compression, FlushCompress, Status};
use std::sync::{Mutex, PoisonError};

/// The number of bytes at the beginning of a file that decide whether to deflate it.
pub(super) const SAMPLE: usize = 64 << 10;

/// The compression level: faster than `zip -1`, with smaller output.
const LEVEL: u32 = 2;

/// A pool of deflaters: creating one costs as much as deflating a small file.
#[derive(Default)]
pub(super) struct Deflaters(Mutex<Vec<Compress>>);

impl Deflaters {
    /// Returns the deflated bytes if that saves at least 5 percent.
    pub(super) fn shrink(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if looks_random(&bytes[..bytes.len().min(SAMPLE)]) {
            return None;
        }
        let deflated = self.deflate(bytes, FlushCompress::Finish)?;
        (deflated.len() + bytes.len() / 20 < bytes.len()).then_some(deflated)
    }

    /// Deflates a part of a stream, ending at a byte boundary. Returns `None` if deflating fails.
    pub(super) fn part(&self, bytes: &[u8], is_last: bool) -> Option<Vec<u8>> {
        match is_last {
            true => self.deflate(bytes, FlushCompress::Finish),
            false => self.deflate(bytes, FlushCompress::Sync),
        }
    }

    fn deflate(&self, bytes: &[u8], end: FlushCompress) -> Option<Vec<u8>> {
        let pool = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = pool().pop();
        let mut deflater = match used {
            Some(deflater) => deflater,
            None => Compress::new(Compression::new(LEVEL), false),
        };
        deflater.reset();
        let mut deflated = Vec::with_capacity(bytes.len() + bytes.len() / 16 + 64);
        loop {
            let taken = deflater.total_in() as usize;
            let status = deflater.compress_vec(&bytes[taken..], &mut deflated, end);
            match status.ok()? {
                Status::StreamEnd => break,
                // Spare capacity means that all output has been written.
                _ if end != FlushCompress::Finish && deflated.len() < deflated.capacity() => break,
                _ => deflated.reserve(bytes.len() / 16 + 64),
            }
        }
        pool().push(deflater);
        Some(deflated)
    }
}

/// Whether deflating would save next to nothing, judged by byte frequencies and repeated four-byte sequences. Takes a tenth of
/// the time of deflating.
fn looks_random(sample: &[u8]) -> bool {
    let length = sample.len() as u64;
    let mut counts = [0_u64; 256];
    for byte in sample {
        counts[usize::from(*byte)] += 1;
    }
    // Shannon entropy is at least the Rényi entropy of order 2, which is 7.7 bits here: 2^7.7 = 208.
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    if squares * 208 > length * length {
        return false;
    }
    // The last position of a four-byte sequence, by hash.
    let mut last = [0_u32; 1 << 12];
    let mut repeated = 0;
    for (at, four) in sample.windows(4).enumerate() {
        let Ok(four) = <[u8; 4]>::try_from(four) else {
            continue;
        };
        let hash = u32::from_le_bytes(four).wrapping_mul(0x9e37_79b1) >> 20;
        let before = std::mem::replace(&mut last[hash as usize], at as u32) as usize;
        repeated += u64::from(before < at && sample[before..before + 4] == four);
    }
    repeated * 100 < length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        // An xorshift generator (Marsaglia 2003).
        let mut state = 1_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn what_may_shrink_does_not_look_random() {
        assert!(looks_random(&noise(4 << 10)));
        assert!(looks_random(&noise(SAMPLE)));
        assert!(!looks_random(&noise(4 << 10).repeat(2)));
        let six_bits: Vec<u8> = noise(SAMPLE).iter().map(|byte| byte & 0x3f).collect();
        assert!(!looks_random(&six_bits));
    }
}
