//! References of derivations and realizations, as they are printed, parsed and stored.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::hash;
use std::str::FromStr;

use super::hex;
use super::name::Name;
use crate::{Error, ErrorKind, Result};

/// The hash of a reference: the first half of a SHA-256 digest.
type Hash = [u8; 16];

/// The number of hex digits of a hash in a reference.
const HEX: usize = 32;

/// A derivation's reference, `dref:<hash>-<name>`: the first half of the SHA-256 digest of its `config.json`, and its name.
///
/// References sort in the order of their texts.
///
/// ```
/// use pylightnix::config::DRefId;
/// let id: DRefId = "dref:7c308bad0e7fa364790b71e6ffab924a-params".parse()?;
/// assert_eq!(id.name().as_str(), "params");
/// assert_eq!(id.folder(), "7c308bad0e7fa364790b71e6ffab924a-params");
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DRefId {
    hash: Hash,
    name: Name,
}

impl hash::Hash for DRefId {
    /// Hashes 8 bytes only: they are part of a SHA-256 digest, so they are well distributed.
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.hash;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl DRefId {
    /// Makes a reference from a hash and a name.
    pub fn new(hash: [u8; 16], name: Name) -> Self {
        DRefId { hash, name }
    }

    /// Returns the hash.
    pub fn hash(&self) -> &[u8; 16] {
        &self.hash
    }

    /// Returns the name of the derivation.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the name of the derivation's folder in a store, `<hash>-<name>`.
    pub fn folder(&self) -> String {
        self.folder_name().as_str().to_owned()
    }

    /// Appends the reference to `text`, faster than by formatting it.
    pub(crate) fn push_to(&self, text: &mut String) {
        text.push_str("dref:");
        text.push_str(self.folder_name().as_str());
    }

    /// Returns the name of the derivation's folder, without an allocation.
    pub(crate) fn folder_name(&self) -> FolderName {
        let name = self.name.as_str().as_bytes();
        let mut bytes = [0; FOLDER];
        hex::put(&mut bytes, &self.hash);
        bytes[HEX] = b'-';
        let length = HEX + 1 + name.len();
        bytes[HEX + 1..length].copy_from_slice(name);
        FolderName { bytes, length }
    }

    /// Parses the name of a derivation's folder. Returns `None` if `folder` is not such a name.
    pub fn from_folder(folder: &str) -> Option<Self> {
        let (hash, name) = split_hash(folder)?;
        Some(DRefId {
            hash,
            name: Name::new(name).ok()?,
        })
    }
}

/// A realization's reference, `rref:<hash>-<dref hash>-<name>`.
///
/// References sort in the order of their texts.
///
/// ```
/// use pylightnix::config::RRefId;
/// let text = "rref:0123456789abcdef0123456789abcdef-7c308bad0e7fa364790b71e6ffab924a-params";
/// let id: RRefId = text.parse()?;
/// assert_eq!(id.to_string(), text);
/// assert_eq!(id.dref().to_string(), "dref:7c308bad0e7fa364790b71e6ffab924a-params");
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RRefId {
    hash: Hash,
    dref: DRefId,
}

impl hash::Hash for RRefId {
    /// Hashes 8 bytes only, as for a derivation.
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.hash;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl RRefId {
    /// Makes a reference from the hash of a record and a derivation.
    pub fn new(hash: [u8; 16], dref: DRefId) -> Self {
        RRefId { hash, dref }
    }

    /// Returns the hash.
    pub fn hash(&self) -> &[u8; 16] {
        &self.hash
    }

    /// Returns the derivation of the realization.
    pub fn dref(&self) -> &DRefId {
        &self.dref
    }

    /// Returns the name of the derivation.
    pub fn name(&self) -> &Name {
        &self.dref.name
    }

    /// Returns the name of the realization's folder inside the derivation's folder: the hash.
    pub fn folder(&self) -> String {
        Hex(&self.hash).to_string()
    }

    /// Parses the name of a folder of a realization of `dref`. Returns `None` if `folder` is not such a name.
    pub fn from_folder(dref: &DRefId, folder: &str) -> Option<Self> {
        Some(RRefId {
            hash: hex::parse(folder)?,
            dref: dref.clone(),
        })
    }
}

/// The length of the longest name of a derivation's folder.
const FOLDER: usize = HEX + 1 + Name::MAX_LEN;

/// The name of a derivation's folder, `<hash>-<name>`.
pub(crate) struct FolderName {
    bytes: [u8; FOLDER],
    length: usize,
}

impl FolderName {
    pub(crate) fn as_str(&self) -> &str {
        // Always valid UTF-8: hex digits and a name, which are ASCII.
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

/// Formats a hash as hex digits.
struct Hex<'a>(&'a Hash);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(f, self.0)
    }
}

/// Splits `<32 hex digits>-<rest>`.
fn split_hash(text: &str) -> Option<(Hash, &str)> {
    let (hex, rest) = text.split_at_checked(HEX)?;
    Some((hex::parse(hex)?, rest.strip_prefix('-')?))
}

fn malformed(text: &str, what: &str, form: &str) -> Error {
    Error::new(
        ErrorKind::Reference,
        format!("`{text}` is not a reference of a {what}"),
    )
    .with_help(format!(
        "it has the form {form}, with 32 lowercase hex digits for each hash"
    ))
}

impl FromStr for DRefId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.strip_prefix("dref:")
            .and_then(DRefId::from_folder)
            .ok_or_else(|| malformed(text, "derivation", "dref:<hash>-<name>"))
    }
}

impl FromStr for RRefId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.strip_prefix("rref:")
            .and_then(split_hash)
            .and_then(|(hash, rest)| {
                Some(RRefId {
                    hash,
                    dref: DRefId::from_folder(rest)?,
                })
            })
            .ok_or_else(|| malformed(text, "realization", "rref:<hash>-<dref hash>-<name>"))
    }
}

impl fmt::Display for DRefId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dref:")?;
        f.write_str(self.folder_name().as_str())
    }
}

impl fmt::Display for RRefId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rref:")?;
        hex::write(f, &self.hash)?;
        f.write_str("-")?;
        f.write_str(self.dref.folder_name().as_str())
    }
}

macro_rules! as_text {
    ($($id:ty),*) => {$(
        impl AsRef<$id> for $id {
            fn as_ref(&self) -> &$id {
                self
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(|error: Error| de::Error::custom(error))
            }
        }
    )*};
}

as_text!(DRefId, RRefId);
