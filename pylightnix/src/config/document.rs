//! A whole config, as the canonical JSON that a derivation is named by.

use std::sync::{Arc, OnceLock};

use super::fields::joined;
use super::plain::SELF_TAG;
use super::raw::Text;
use super::{DRefId, Digest, Fields, Name, read};
use crate::Result;

/// A config as its canonical JSON: the bytes of a `config.json`, with what follows from them.
///
/// The bytes are those of Python's `json.dumps(config, indent=4)`, so that a derivation has the same reference here as
/// in Pylightnix. A [`ConfigWriter`](super::ConfigWriter) makes one field by field.
#[derive(Clone, Debug)]
pub struct ConfigJson {
    id: DRefId,
    digest: Digest,
    text: Arc<str>,
    /// The direct dependencies, sorted, each once, if somebody asked for them: a plan has many configs, and its stages own
    /// what they depend on.
    deps: OnceLock<Arc<[DRefId]>>,
    /// What tells them apart from others without them.
    deps_sum: u64,
}

impl PartialEq for ConfigJson {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.text == other.text
    }
}

impl Eq for ConfigJson {}

impl ConfigJson {
    /// The config whose canonical bytes are `text`, called `name` and naming derivations with these hashes, in any order, which this
    /// takes out.
    pub(super) fn new(name: Name, text: &str, deps: &mut Vec<[u8; 16]>) -> Self {
        deps.sort_unstable();
        deps.dedup();
        let digest = Digest::of(text.as_bytes());
        ConfigJson {
            id: DRefId::new(digest.half(), name),
            digest,
            text: text.into(),
            deps: OnceLock::new(),
            deps_sum: sum(deps.drain(..)),
        }
    }

    /// Whether its direct dependencies have these hashes, each of which comes once: found out by a sum of 64 bits.
    pub(crate) fn depends_on(&self, hashes: impl Iterator<Item = [u8; 16]>) -> bool {
        self.deps_sum == sum(hashes)
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
        self.deps.get_or_init(|| {
            let mut deps: Vec<DRefId> = values(&self.text)
                .filter(|value| value.starts_with("dref:"))
                .filter_map(|value| value.parse().ok())
                .collect();
            deps.sort_unstable();
            deps.dedup();
            deps.into()
        })
    }

    /// The paths of the artifacts that it promises, `["__self__", "a", "b"]`, wherever they stand, with `/` between the parts.
    pub(crate) fn promises(&self) -> Vec<String> {
        promises(&self.text)
    }

    /// Its fields, to be taken out one by one.
    ///
    /// # Errors
    /// None that a config made by this library can cause.
    pub fn fields(&self) -> Result<Fields<'_>> {
        Fields::of(self)
    }
}

/// Nobody can choose the hashes, so that of two lists of them it is the same once in 2^64.
fn sum(hashes: impl Iterator<Item = [u8; 16]>) -> u64 {
    let part =
        |[a, b, c, d, e, f, g, h, ..]: [u8; 16]| u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    hashes.map(part).fold(0, u64::wrapping_add)
}

/// The paths of the promises in a canonical text.
pub(crate) fn promises(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Within a string, its quotes would be escaped.
    for (at, _) in text.match_indices(SELF_TAG) {
        let Some(before) = text[..at].trim_end().strip_suffix('[') else {
            continue;
        };
        let list = &text[before.len()..];
        let mut lists = serde_json::Deserializer::from_str(list).into_iter::<Vec<Text<'_>>>();
        // A list of anything else is a plain value.
        if let Some(Ok(parts)) = lists.next() {
            found.push(joined(&parts[1..]));
        }
    }
    found
}

/// The strings of a canonical text that are no keys, as they are written there.
fn values(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, string) = rest.split_once('"')?;
            let mut escaped = false;
            let end = string.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })?;
            rest = &string[end + 1..];
            if !rest.starts_with(':') {
                return Some(&string[..end]);
            }
        }
    })
}
