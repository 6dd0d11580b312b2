//! A config as canonical JSON, whose hash names the derivation.

use std::sync::{Arc, OnceLock};

use super::fields::joined;
use super::plain::SELF_TAG;
use super::raw::Text;
use super::{DRefId, Digest, Fields, Name, read, words};
use crate::Result;

/// A config as canonical JSON, the content of a `config.json`, with its reference, digest and dependencies.
///
/// The bytes are those of Python's `json.dumps(config, indent=4)`, so that a derivation has the same reference here as
/// in Pylightnix. A [`ConfigWriter`](super::ConfigWriter) makes one field by field.
#[derive(Clone, Debug)]
pub struct ConfigJson {
    id: DRefId,
    digest: Digest,
    text: Arc<str>,
    /// The text as JSON, if it has numbers that JSON lacks.
    json: Option<Arc<str>>,
    /// The direct dependencies, sorted and deduplicated. Computed on first use: stages of a plan know their dependencies
    /// without it.
    deps: OnceLock<Arc<[DRefId]>>,
    /// A checksum of the dependencies' hashes, to compare them without parsing the text.
    deps_sum: u64,
}

impl PartialEq for ConfigJson {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.text == other.text
    }
}

impl Eq for ConfigJson {}

impl ConfigJson {
    /// Makes a config from its canonical text, its name, and the hashes of its dependencies in any order. Empties `deps`.
    pub(super) fn new(name: Name, text: &str, deps: &mut Vec<[u8; 16]>) -> Self {
        deps.sort_unstable();
        deps.dedup();
        let digest = Digest::of(text.as_bytes());
        ConfigJson {
            id: DRefId::new(digest.half(), name),
            digest,
            text: text.into(),
            json: None,
            deps: OnceLock::new(),
            deps_sum: sum(deps.drain(..)),
        }
    }

    /// Finds the words for numbers that JSON lacks.
    pub(super) fn with_words(mut self) -> Self {
        self.json = words::as_strings(&self.text).map(Into::into);
        self
    }

    /// Returns the text as JSON: numbers that JSON lacks are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.
    pub(super) fn json(&self) -> &str {
        self.json.as_ref().unwrap_or(&self.text)
    }

    /// Returns whether the direct dependencies have these hashes, by comparing 64-bit checksums. `hashes` has no duplicates.
    pub(crate) fn depends_on(&self, hashes: impl Iterator<Item = [u8; 16]>) -> bool {
        self.deps_sum == sum(hashes)
    }

    /// Parses a JSON text in any layout as a config.
    ///
    /// The result has the bytes that Python's `json.loads` and `json.dumps` would produce: keys keep their order (`name` may
    /// have any position, as in Pylightnix, and another order makes another derivation), integers of any size keep their
    /// digits, and a number with a point or an exponent becomes the nearest 64-bit float. The words `NaN`, `Infinity` and
    /// `-Infinity` stand for floats that JSON lacks, as Python writes them; what reads the fields of such a config finds
    /// strings in their place. Each string of the form `dref:..` that is not a key is a dependency. A config without a `name`
    /// is called `unnamed`, as in Pylightnix.
    ///
    /// ```
    /// use pylightnix::config::ConfigJson;
    /// let config = ConfigJson::from_json(r#"{"name": "params", "out": ["__self__", "params.npy"]}"#)?;
    /// assert_eq!(config.id().to_string(), "dref:7c308bad0e7fa364790b71e6ffab924a-params");
    /// # Ok::<(), pylightnix::Error>(())
    /// ```
    ///
    /// # Errors
    /// The text is not valid JSON, the config is not an object or its `name` is not valid, an object has a key twice, a string is a reference of a realization, a float is too large for 64 bits, a surrogate pair
    /// is incomplete, or lists and objects are nested more than 128 levels deep. The error names the path of the field, the
    /// line and the column (in bytes) where they are known.
    pub fn from_json(text: &str) -> Result<Self> {
        read::from_json(text)
    }

    /// Parses the bytes of a `config.json`, which must be canonical to the byte.
    ///
    /// The caller compares [`id`](Self::id) with the reference under which the bytes were stored.
    ///
    /// # Errors
    /// The bytes are not canonical: they were edited, are damaged, or come from another program.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self> {
        read::from_canonical(bytes)
    }

    /// Returns the reference of the config's derivation.
    pub fn id(&self) -> &DRefId {
        &self.id
    }

    /// Returns the SHA-256 digest of the canonical bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the canonical text, the content of a `config.json`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the direct dependencies, sorted and deduplicated.
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

    /// Returns the paths of all promises, `["__self__", "a", "b"]`, at any depth, joined by `/`.
    pub(crate) fn promises(&self) -> Vec<String> {
        promises(&self.text)
    }

    /// Returns a reader of the fields.
    ///
    /// # Errors
    /// None that a config made by this library can cause.
    #[doc(hidden)]
    pub fn fields(&self) -> Result<Fields<'_>> {
        Fields::of(self)
    }
}

/// Computes a checksum of hashes. An attacker cannot choose SHA-256 hashes, so two lists collide once in 2^64.
fn sum(hashes: impl Iterator<Item = [u8; 16]>) -> u64 {
    let part =
        |[a, b, c, d, e, f, g, h, ..]: [u8; 16]| u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    hashes.map(part).fold(0, u64::wrapping_add)
}

/// Returns the paths of all promises in a canonical text.
pub(crate) fn promises(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // A match is never inside a string, where the quotes would be escaped.
    for (at, _) in text.match_indices(SELF_TAG) {
        let Some(before) = text[..at].trim_end().strip_suffix('[') else {
            continue;
        };
        let list = &text[before.len()..];
        let mut lists = serde_json::Deserializer::from_str(list).into_iter::<Vec<Text<'_>>>();
        // A list that holds other types is a plain value.
        if let Some(Ok(parts)) = lists.next() {
            found.push(joined(&parts[1..]));
        }
    }
    found
}

/// Iterates over the strings of a canonical text that are not keys, with their escapes.
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
