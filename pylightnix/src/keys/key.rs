//! A public key, its identifier, and the secret key that signs.

use ed25519_compact::{KeyPair, Seed, Signature};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

use crate::config::{Digest, hex};
use crate::{Error, ErrorKind, Result};

/// The identifier of a public key: the first 16 hex digits of the SHA-256 digest of its 32 bytes. It is in the names of the
/// signatures by that key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

/// A public key, which verifies what its secret key signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    key: ed25519_compact::PublicKey,
    id: KeyId,
}

/// A secret key. `Debug` shows the public one.
pub(crate) struct SigningKey {
    pair: KeyPair,
    public: PublicKey,
}

impl PublicKey {
    /// Makes a key from its 32 bytes.
    ///
    /// # Errors
    /// Fails if they are no key, or one that would verify what nobody signed.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self> {
        Self::checked(ed25519_compact::PublicKey::new(bytes))
    }

    /// Reads a key from the text of a PEM file, as `openssl pkey -pubout` writes it.
    ///
    /// ```
    /// use pylightnix::keys::PublicKey;
    ///
    /// let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAyrRjJfTnhMcW5igzYvPirFW5eUgMdKeClGzQhd4qw+Y=\n-----END PUBLIC KEY-----\n";
    /// let key = PublicKey::from_pem(pem)?;
    /// assert_eq!(key.to_pem(), pem);
    /// assert_eq!(key.id().to_string().len(), 16);
    /// # Ok::<(), pylightnix::Error>(())
    /// ```
    ///
    /// # Errors
    /// Fails if the text is not that of a public Ed25519 key.
    pub fn from_pem(text: &str) -> Result<Self> {
        Self::checked(ed25519_compact::PublicKey::from_pem(text).map_err(|_| no_key())?)
    }

    fn checked(key: ed25519_compact::PublicKey) -> Result<Self> {
        // A key of small order verifies signatures of anything.
        key.validate().map_err(|_| no_key())?;
        let id = KeyId::of(&key);
        Ok(PublicKey { key, id })
    }

    /// Returns the 32 bytes of the key.
    pub fn to_bytes(&self) -> [u8; 32] {
        *self.key
    }

    /// Returns the text of the PEM file of the key.
    pub fn to_pem(&self) -> String {
        self.key.to_pem()
    }

    /// Returns the identifier.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns whether `signature` is that of `message` by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key
            .verify(message, &Signature::new(*signature))
            .is_ok()
    }
}

/// Serializes the key as the text of its PEM file.
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_pem())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        PublicKey::from_pem(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id)
    }
}

impl SigningKey {
    /// Makes a new key.
    pub(super) fn generate() -> Self {
        Self::of(KeyPair::from_seed(Seed::generate()))
    }

    /// Reads a key from the text of a PEM file, as `openssl genpkey -algorithm ed25519` writes it.
    pub(super) fn from_pem(text: &str) -> Option<Self> {
        KeyPair::from_pem(text).ok().map(Self::of)
    }

    fn of(pair: KeyPair) -> Self {
        let id = KeyId::of(&pair.pk);
        let public = PublicKey { key: pair.pk, id };
        SigningKey { pair, public }
    }

    pub(super) fn to_pem(&self) -> String {
        self.pair.sk.to_pem()
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        *self.pair.sk.sign(message, None)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id)
    }
}

impl KeyId {
    fn of(key: &ed25519_compact::PublicKey) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&Digest::of(&key[..]).0[..8]);
        KeyId(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, &self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        hex::parse(text).map(KeyId).ok_or_else(|| {
            let message = format!(
                "`{text}` is not the identifier of a key, which has 16 lowercase hex digits"
            );
            Error::new(ErrorKind::Key, message)
        })
    }
}

fn no_key() -> Error {
    Error::new(ErrorKind::Key, "that is not a public Ed25519 key").with_help(
        "`key list --pem` shows those of a person; `openssl pkey -pubout` writes one, too",
    )
}
