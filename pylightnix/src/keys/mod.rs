//! Keys: who vouches for a result. A person keeps a secret key outside any store, and with it signs what is published and accepted
//! here. The public keys of others have names here, by which runs say whom they [trust](Trust).
//!
//! Signatures are Ed25519 ([RFC 8032]), and keys are files as `openssl` writes them ([RFC 8410]), so that another program can sign
//! and verify too.
//!
//! [RFC 8032]: https://www.rfc-editor.org/rfc/rfc8032
//! [RFC 8410]: https://www.rfc-editor.org/rfc/rfc8410

mod folder;
mod key;
mod trust;

pub use folder::{KeyStanding, Keys, KnownKey};
pub use key::{KeyId, PublicKey};
pub use trust::Trust;

pub(crate) use key::SigningKey;
