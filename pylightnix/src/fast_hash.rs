//! A hasher for keys that are hashes already, or addresses: nobody chooses them to collide.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A map with such keys.
pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;

/// A set of such keys.
pub(crate) type FastSet<K> = HashSet<K, BuildHasherDefault<FastHasher>>;

/// The hash of a derivation, as a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HashKey(pub(crate) [u8; 16]);

impl Hash for HashKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Where some are kept together, their first bytes are alike.
        let [.., a, b, c, d, e, f, g, h] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// Takes a reference's hash as it is; anything else is folded in by multiplying.
#[derive(Default)]
pub(crate) struct FastHasher(u64);

/// 2^64 divided by the golden ratio: multiplying by it spreads what differs in few bits (Knuth, The Art of Computer
/// Programming 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl FastHasher {
    fn fold(&mut self, part: u64) {
        // The high bits are the good ones, and tables look at the low ones.
        self.0 = (self.0 ^ part).wrapping_mul(SPREAD).swap_bytes();
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, part: u64) {
        self.0 ^= part;
    }

    fn write_usize(&mut self, part: usize) {
        self.fold(part as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
