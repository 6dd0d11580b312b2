//! A whole config, as the canonical JSON that a derivation is named by.

use std::sync::Arc;

use super::{DRefId, Digest, Fields, Name, read};
use crate::Result;

/// A config as its canonical JSON: the bytes of a `config.json`, with what follows from them.
///
/// The bytes are those of Python's `json.dumps(config, indent=4)`, so that a derivation has the same reference here as
/// in Pylightnix. A [`ConfigWriter`](super::ConfigWriter) makes one field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigJson {
    id: DRefId,
    digest: Digest,
    text: Arc<str>,
    /// The direct dependencies, sorted, each once.
    deps: Arc<[DRefId]>,
}

impl ConfigJson {
    /// The config whose canonical bytes are `text`, called `name` and naming `deps`, in any order, which this takes out.
    pub(super) fn new(name: Name, text: &str, deps: &mut Vec<DRefId>) -> Self {
        deps.sort_unstable();
        deps.dedup();
        let digest = Digest::of(text.as_bytes());
        ConfigJson {
            id: DRefId::new(digest.half(), name),
            digest,
            text: text.into(),
            deps: deps.drain(..).collect(),
        }
    }

    /// Makes a config from a JSON text of it, in any layout.
    ///
    /// What Python's `json.loads` and `json.dumps` would make of the text: keys keep their order (so `name` may stand
    /// anywhere, as in Pylightnix, and another order is another derivation), integers of any size keep their digits, a
    /// number with a point or an exponent becomes the nearest 64-bit float. Each string that is a `dref:..` is a
    /// dependency, wherever it stands, unless it is a key.
    ///
    /// ```
    /// use pylightnix::config::ConfigJson;
    /// let config = ConfigJson::from_json(r#"{"name": "params", "out": ["__self__", "params.npy"]}"#)?;
    /// assert_eq!(config.id().to_string(), "dref:7c308bad0e7fa364790b71e6ffab924a-params");
    /// # Ok::<(), pylightnix::Error>(())
    /// ```
    ///
    /// # Errors
    /// Each names the field's path, the line and the column (in bytes) where it can: text that is no JSON (NaN and
    /// Infinity are none), a config that is no object or has no valid `name`, a key twice in one object, a reference of a
    /// realization, a float too large for 64 bits, half a surrogate pair, more than 128 levels of lists and objects.
    pub fn from_json(text: &str) -> Result<Self> {
        read::from_json(text)
    }

    /// Reads the bytes of a `config.json`, which must be canonical to the byte.
    ///
    /// Whether they belong to the reference they were found under is the caller's to compare, by [`id`](Self::id).
    ///
    /// # Errors
    /// Bytes that no store has written: edited, damaged, or from another program.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self> {
        read::from_canonical(bytes)
    }

    /// The derivation that it names.
    pub fn id(&self) -> &DRefId {
        &self.id
    }

    /// The whole sha256 of its bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The bytes of `config.json`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The direct dependencies, sorted, each once.
    pub fn deps(&self) -> &[DRefId] {
        &self.deps
    }

    /// Its fields, to be taken out one by one.
    ///
    /// # Errors
    /// None that a config made by this library can cause.
    pub fn fields(&self) -> Result<Fields<'_>> {
        Fields::of(self)
    }
}
