//! The hash of a derivation as a key of a hash map. It is part of a SHA-256 digest, so it is not hashed again, and an
//! attacker cannot choose it to collide.

use std::hash::{Hash, Hasher};

/// The hash of a derivation, as a key of a hash map.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HashKey(pub(crate) [u8; 16]);

impl Hash for HashKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Use the last bytes: maps that are sharded by the first byte hold keys that begin alike.
        let [.., a, b, c, d, e, f, g, h] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}
