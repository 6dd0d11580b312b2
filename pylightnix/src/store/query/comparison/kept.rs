//! Rows of tables that were read before: the cache `cache/pages`.
//!
//! What is read from a realization never changes, but takes several files each. `cache/pages/<name>` has it for the realizations of the
//! stages with that name, with a checksum. Whoever compares many, or serves pages of them, reads the file and replaces it as a whole.
//! It may be deleted at any time; garbage collection deletes it when it removes something. An entry counts for the builds that the
//! realization had when it was read.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use super::row::ReadRow;
use crate::config::{Digest, RRefId};
use crate::store::disk::bytes::{Reader, put_sized};
use crate::store::disk::checked;
use crate::store::{Realization, Store};

/// The magic bytes of a file, which include the version of the format and of what is read.
const MAGIC: &[u8] = b"pylightnix-pages-v1\n";

/// Fewer new rows are not kept, unless they took many bytes: reading them again is as fast.
const FEW: usize = 32;
const MANY_BYTES: u64 = 1 << 20;

type Key = [u8; 32];

/// What is kept of the realizations of the stages with a name.
pub(in super::super) struct KeptRows {
    path: PathBuf,
    bytes: Vec<u8>,
    at: HashMap<Key, Range<usize>>,
    new: HashMap<Key, Vec<u8>>,
    /// The bytes of artifacts that were read for the new ones.
    cost: u64,
}

/// Returns a digest of the builds of a realization: what is kept of it counts as long as this is the same.
pub(in super::super) fn state_of(realization: &Realization) -> [u8; 16] {
    let builds = realization.builds.identified().map(|(id, _)| id);
    let series = realization
        .builds
        .series()
        .flat_map(|(record, build)| [record, build]);
    let ids = builds.chain(series).flat_map(uuid::Uuid::into_bytes);
    let ids: Vec<u8> = ids.chain([u8::from(realization.is_stub)]).collect();
    Digest::of(&ids).half()
}

fn key(rref: &RRefId) -> Key {
    let mut key = [0; 32];
    key[..16].copy_from_slice(rref.hash());
    key[16..].copy_from_slice(rref.dref().hash());
    key
}

impl KeptRows {
    /// Reads what is kept for a name. Nothing is, if the file is missing or damaged.
    pub(in super::super) fn of_name(store: &Store, name: &str) -> Self {
        let path = store.layout().pages().join(name);
        let (bytes, from) = checked::read(&path, MAGIC).unwrap_or_default();
        let mut at = HashMap::new();
        let mut reader = Reader(bytes.get(from..).unwrap_or_default());
        while let Some(key) = reader.array()
            && let Some(row) = reader.bytes()
        {
            let end = bytes.len() - reader.0.len();
            at.insert(key, end - row.len()..end);
        }
        KeptRows {
            path,
            bytes,
            at,
            new: HashMap::new(),
            cost: 0,
        }
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Returns what is kept of a realization in this state.
    pub(in super::super) fn get(&self, rref: &RRefId, state: &[u8; 16]) -> Option<ReadRow> {
        let bytes = self.bytes.get(self.at.get(&key(rref))?.clone())?;
        ReadRow::unpacked(bytes.strip_prefix(state)?)
    }

    /// Adds a row that was read.
    pub(super) fn add(&mut self, rref: &RRefId, state: &[u8; 16], row: &ReadRow, cost: u64) {
        let mut bytes = state.to_vec();
        row.pack(&mut bytes);
        self.new.insert(key(rref), bytes);
        self.cost += cost;
    }

    /// Writes the file if there are more new rows than those of before, so that reading very many writes few times.
    pub(super) fn save_some(&mut self, store: &Store) {
        if self.new.len() > self.at.len().max(1000) {
            self.save(store);
        }
    }

    /// Writes the file, unless reading the new rows again is as fast.
    pub(super) fn save(&mut self, store: &Store) {
        if self.new.len() < FEW && self.cost < MANY_BYTES {
            return;
        }
        let mut body = Vec::new();
        let mut at = HashMap::new();
        let head = MAGIC.len() + 4;
        let old = self
            .at
            .iter()
            .filter(|(key, _)| !self.new.contains_key(*key));
        let old = old.map(|(key, range)| (key, self.bytes.get(range.clone()).unwrap_or_default()));
        let new = self.new.iter().map(|(key, bytes)| (key, bytes.as_slice()));
        for (key, bytes) in old.chain(new) {
            body.extend_from_slice(key);
            put_sized(&mut body, |to| to.extend_from_slice(bytes));
            let end = head + body.len();
            at.insert(*key, end - bytes.len()..end);
        }
        let temporary = || store.manager().temporary();
        // It is for speed alone, so that a failure is none of the caller's.
        let _ = checked::write(&temporary, &self.path, MAGIC, &body);
        self.bytes = [&[0; MAGIC.len() + 4], body.as_slice()].concat();
        self.at = at;
        self.new.clear();
        self.cost = 0;
    }
}
