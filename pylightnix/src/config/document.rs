//! A whole config, as the canonical JSON that a derivation is named by.

use std::sync::Arc;

use super::{DRefId, Digest};

/// A config as its canonical JSON: the bytes of a `config.json`, with what follows from them.
#[derive(Clone, Debug)]
pub struct ConfigJson {
    id: DRefId,
    digest: Digest,
    text: Arc<str>,
    /// The direct dependencies, sorted, each once.
    deps: Arc<[DRefId]>,
}

impl ConfigJson {
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
}
