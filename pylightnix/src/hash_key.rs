//! The hash of a derivation as a key. It is a hash already, and nobody chooses it to collide.

use std::hash::{Hash, Hasher};

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
