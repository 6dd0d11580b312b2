//! Signatures: the files `build-<id>.<key>.sig` beside a build record. Each is by one key, over the record of the realization and
//! the build record: who signs says that this code gave this result. It is written once and never changes, so stores are merged
//! by the names of files.
//!
//! A file has three lines: the word `pylightnix-sig-v1`, the 32 bytes of the public key as base64, the 64 bytes of the signature
//! as base64. What is signed has three lines, too: the same word, and the SHA-256 digests of both records.

use ct_codecs::{Base64, Decoder as _, Encoder as _};
use uuid::Uuid;

use crate::config::Digest;
use crate::keys::{KeyId, PublicKey, SigningKey};

/// The first line of the file, and of what is signed.
const FORM: &str = "pylightnix-sig-v1";

/// The content of a signature's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct SignatureFile {
    pub(in crate::store) key: PublicKey,
    bytes: [u8; 64],
}

/// A signature of a build of a realization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// The identifier of the build record.
    pub build: Uuid,
    /// Whose it is.
    pub key: KeyId,
    /// Whether it is what its name says: by that key, over these records.
    pub is_valid: bool,
}

impl SignatureFile {
    /// Signs the record and the build record with these digests.
    pub(in crate::store) fn sign(key: &SigningKey, record: &Digest, build: &Digest) -> Self {
        let bytes = key.sign(message(record, build).as_bytes());
        let key = key.public();
        SignatureFile { key, bytes }
    }

    /// Returns the name of the file of a signature.
    pub(in crate::store) fn name_of(build: Uuid, key: KeyId) -> String {
        format!("build-{build}.{key}.sig")
    }

    /// Parses the end of a file's name that follows the identifier of the build.
    pub(in crate::store) fn key_in(suffix: &str) -> Option<KeyId> {
        suffix.strip_suffix(".sig")?.parse().ok()
    }

    /// Returns the bytes of the file.
    pub(in crate::store) fn to_bytes(self) -> Vec<u8> {
        // Cannot fail: it allocates what it needs.
        let base64 = |bytes: &[u8]| Base64::encode_to_string(bytes).unwrap_or_default();
        let (key, signature) = (base64(&self.key.to_bytes()), base64(&self.bytes));
        format!("{FORM}\n{key}\n{signature}\n").into_bytes()
    }

    /// Parses a file, which must be exactly what [`to_bytes`](Self::to_bytes) makes of the signature by the key `id`.
    pub(in crate::store) fn parse(id: KeyId, bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.strip_prefix(FORM)?.strip_prefix('\n')?.split('\n');
        let key = PublicKey::from_bytes(decoded(lines.next()?)?).ok()?;
        Self::parse_of(&key, bytes).filter(|_| key.id() == id)
    }

    /// Parses the file of a signature by `key`, which is compared and not checked again.
    pub(in crate::store) fn parse_of(key: &PublicKey, bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let last = text.strip_suffix('\n')?.rsplit('\n').next()?;
        let found = SignatureFile {
            key: *key,
            bytes: decoded(last)?,
        };
        (found.to_bytes() == bytes).then_some(found)
    }

    /// Returns whether it is the signature of the record and the build record with these digests.
    pub(in crate::store) fn is_of(&self, record: &Digest, build: &Digest) -> bool {
        let message = message(record, build);
        self.key.verifies(message.as_bytes(), &self.bytes)
    }
}

/// What is signed.
fn message(record: &Digest, build: &Digest) -> String {
    format!("{FORM}\n{record}\n{build}\n")
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let found = Base64::decode(&mut bytes, text, None).ok()?;
    (found.len() == N).then_some(bytes)
}
