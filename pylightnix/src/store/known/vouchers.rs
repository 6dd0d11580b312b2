//! Who signed what counts of a realization, with a memory of the signatures that were verified.
//!
//! Verifying one takes some 50 microseconds, so a large plan would wait for seconds in each run. `cache/signatures` has 16 bytes for
//! each that was found valid: the beginning of a digest of the realization, of all that decisions know of the build, and of the key.
//! That there is none is not remembered.

use rustc_hash::FxHashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

use crate::Result;
use crate::config::Digest;
use crate::keys::{KeyId, PublicKey};
use crate::store::disk::regular;
use crate::store::known::signatures::signed_by;
use crate::store::{BuildHead, Realization, Store};

/// The beginning of the file. Other bytes are those of another version.
const FORM: &[u8] = b"pylightnix-signatures-v1\n";

type Mark = [u8; 16];

/// Finds who signed builds.
pub(crate) struct Vouchers {
    store: Store,
    known: FxHashSet<Mark>,
    new: Mutex<Vec<Mark>>,
}

impl Store {
    /// Returns what finds who signed builds, with what is remembered.
    pub(crate) fn vouchers(&self) -> Vouchers {
        Vouchers {
            known: read(&self.signatures_file()),
            store: self.clone(),
            new: Mutex::default(),
        }
    }

    fn signatures_file(&self) -> PathBuf {
        self.cache_dir().join("signatures")
    }
}

impl Vouchers {
    /// Returns those of `keys` that are remembered to have signed one of these builds of the realization with this hash.
    pub(crate) fn remembered<'a>(
        &self,
        rref: &[u8; 16],
        builds: impl Iterator<Item = (Uuid, BuildHead<'a>)>,
        keys: &[PublicKey],
    ) -> Vec<KeyId> {
        let mut signers = Vec::new();
        for (id, head) in builds {
            for key in keys {
                if !signers.contains(&key.id()) && self.known.contains(&mark(rref, id, &head, key))
                {
                    signers.push(key.id());
                }
            }
        }
        signers
    }

    /// Reads and verifies the signatures of a realization. Returns those of `keys` that signed one of these builds. One that cannot be
    /// read is none.
    pub(crate) fn verified<'a>(
        &self,
        realization: &Realization,
        builds: impl Iterator<Item = (Uuid, BuildHead<'a>)>,
        keys: &[PublicKey],
    ) -> Vec<KeyId> {
        let (rref, folder) = (&realization.id, realization.folder());
        let builds: Vec<_> = builds.collect();
        let ids: Vec<Uuid> = builds.iter().map(|(id, _)| *id).collect();
        let mut signers = Vec::new();
        let mut new = Vec::new();
        for (build, signer) in signed_by(&folder, &ids, keys) {
            let key = keys.iter().find(|key| key.id() == signer);
            let head = builds.iter().find(|(id, _)| *id == build);
            if let (Some(key), Some((_, head))) = (key, head) {
                new.push(mark(rref.hash(), build, head, key));
            }
            if !signers.contains(&signer) {
                signers.push(signer);
            }
        }
        self.new
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(new);
        signers
    }

    /// Remembers for later runs what was verified.
    pub(crate) fn save(&self) -> Result<()> {
        let new = std::mem::take(&mut *self.new.lock().unwrap_or_else(PoisonError::into_inner));
        let path = self.store.signatures_file();
        // What another process remembered meanwhile stays.
        let mut all = read(&path);
        let before = all.len();
        all.extend(new);
        if all.len() == before {
            return Ok(());
        }
        let bytes = [FORM, all.into_iter().collect::<Vec<_>>().as_flattened()].concat();
        let manager = self.store.manager();
        let durability = self.store.durability();
        durability.replace_file(&manager.temporary()?, &path, &bytes)
    }
}

/// Returns what is remembered. A file that is damaged has marks that match nothing.
fn read(path: &Path) -> FxHashSet<Mark> {
    // What cannot be read is verified again.
    let bytes = regular::read(path).unwrap_or_default();
    let marks = bytes.strip_prefix(FORM).unwrap_or_default();
    marks.as_chunks().0.iter().copied().collect()
}

/// Returns the mark of a signature. It covers all that a decision knows of the build, which is in the index: so one that was verified
/// says nothing of a build record that was put in its place.
fn mark(rref: &[u8; 16], id: Uuid, head: &BuildHead<'_>, key: &PublicKey) -> Mark {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(rref);
    bytes.extend_from_slice(id.as_bytes());
    bytes.extend_from_slice(&key.to_bytes());
    head.put_known(&mut bytes);
    Digest::of(&bytes).half()
}
