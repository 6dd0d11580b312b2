//! Where everything lies under the root of a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::context::Context;
use crate::config::{DRefId, RRefId};

/// The file that makes a folder a store.
pub(super) const FORMAT: &str = "format.json";
/// The folder with the objects themselves; made last, so that its presence says that the others were made.
pub(super) const OBJECTS: &str = "store-v1";
/// A derivation's config.
pub(super) const CONFIG: &str = "config.json";
/// What a realization is, from what, and every entry of its artifacts.
pub(super) const RECORD: &str = "record";
/// The artifacts of a realization.
pub(super) const OUT: &str = "out";

/// What has arrived of downloads, in the cache.
pub(crate) const FETCHES: &str = "fetches";

/// Room that garbage collection gives back first.
pub(super) const RESERVED: &str = "reserved";

/// Every folder of a store, parents first and `store-v1` last.
pub(super) const FOLDERS: [&str; 11] = [
    "code",
    "cache",
    "tmp",
    "leases",
    "locks",
    "locks/b",
    "roots",
    "failed",
    "trash",
    "quarantine",
    OBJECTS,
];

/// The paths of a store.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
    objects: Arc<Path>,
}

impl Layout {
    pub(super) fn new(root: PathBuf) -> Self {
        let objects = root.join(OBJECTS).into();
        Layout { root, objects }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.objects.to_path_buf()
    }

    /// The same, shared.
    pub(super) fn shared_objects(&self) -> &Arc<Path> {
        &self.objects
    }

    /// What was read of derivations, which may be deleted at any time.
    pub(super) fn index(&self) -> PathBuf {
        self.root.join("cache/index")
    }

    pub(super) fn derivation(&self, dref: &DRefId) -> PathBuf {
        let name = dref.folder_name();
        let length = self.objects.as_os_str().len() + 1 + name.as_str().len();
        let mut path = PathBuf::with_capacity(length);
        path.push(&*self.objects);
        path.push(name.as_str());
        path
    }

    pub(super) fn realization(&self, rref: &RRefId) -> PathBuf {
        let mut path = self.derivation(rref.dref());
        path.push(rref.folder());
        path
    }

    pub(super) fn code(&self) -> PathBuf {
        self.root.join("code")
    }

    /// What can be made again, and may be deleted at any time.
    pub(super) fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub(super) fn fetches(&self) -> PathBuf {
        self.cache().join(FETCHES)
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(super) fn leases(&self) -> PathBuf {
        self.root.join("leases")
    }

    pub(super) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// The marks of builds that have begun and not ended, a folder for each derivation. Its name is one that a check by
    /// versions of before passes over.
    pub(super) fn all_begun(&self) -> PathBuf {
        self.root.join(".begun")
    }

    /// Those of one derivation.
    pub(super) fn begun(&self, dref: &DRefId) -> PathBuf {
        self.all_begun().join(dref.folder_name().as_str())
    }

    /// The lock on building one derivation in one context.
    pub(super) fn build_lock(&self, dref: &DRefId, context: &Context) -> PathBuf {
        // The derivation's hash is whole, so its name is not needed to tell it apart.
        let hash = &dref.folder()[..32];
        self.locks()
            .join(format!("b/{hash}-{}", context.short_hash()))
    }

    pub(super) fn roots(&self) -> PathBuf {
        self.root.join("roots")
    }

    pub(super) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub(super) fn reserved(&self) -> PathBuf {
        self.root.join(RESERVED)
    }

    pub(super) fn failed(&self) -> PathBuf {
        self.root.join("failed")
    }

    pub(super) fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }
}
