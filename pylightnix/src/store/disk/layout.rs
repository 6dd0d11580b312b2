//! Where everything lies under the root of a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{DRefId, RRefId};
use crate::store::object::context::Context;

/// The file that makes a folder a store.
pub(in crate::store) const FORMAT: &str = "format.json";
/// The folder with the objects themselves; made last, so that its presence says that the others were made.
pub(in crate::store) const OBJECTS: &str = "store-v1";
/// A derivation's config.
pub(in crate::store) const CONFIG: &str = "config.json";
/// What a realization is, from what, and every entry of its artifacts.
pub(in crate::store) const RECORD: &str = "record";
/// The artifacts of a realization.
pub(in crate::store) const OUT: &str = "out";
/// What a build printed: a file beside its output while it runs, and beside a failed one.
pub(in crate::store) const LOG: &str = "log";

/// What has arrived of downloads, in the cache.
pub(crate) const FETCHES: &str = "fetches";

/// Room that garbage collection gives back first.
pub(in crate::store) const RESERVED: &str = "reserved";

/// Every folder of a store, parents first and `store-v1` last.
pub(in crate::store) const FOLDERS: [&str; 11] = [
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
pub(in crate::store) struct Layout {
    root: PathBuf,
    objects: Arc<Path>,
}

impl Layout {
    pub(in crate::store) fn new(root: PathBuf) -> Self {
        let objects = root.join(OBJECTS).into();
        Layout { root, objects }
    }

    pub(in crate::store) fn root(&self) -> &Path {
        &self.root
    }

    pub(in crate::store) fn objects(&self) -> PathBuf {
        self.objects.to_path_buf()
    }

    /// The same, shared.
    pub(in crate::store) fn shared_objects(&self) -> &Arc<Path> {
        &self.objects
    }

    /// What was read of derivations, which may be deleted at any time.
    pub(in crate::store) fn index(&self) -> PathBuf {
        self.root.join("cache/index")
    }

    pub(in crate::store) fn derivation(&self, dref: &DRefId) -> PathBuf {
        let name = dref.folder_name();
        let length = self.objects.as_os_str().len() + 1 + name.as_str().len();
        let mut path = PathBuf::with_capacity(length);
        path.push(&*self.objects);
        path.push(name.as_str());
        path
    }

    pub(in crate::store) fn realization(&self, rref: &RRefId) -> PathBuf {
        let mut path = self.derivation(rref.dref());
        path.push(rref.folder());
        path
    }

    pub(in crate::store) fn code(&self) -> PathBuf {
        self.root.join("code")
    }

    /// What can be made again, and may be deleted at any time.
    pub(in crate::store) fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub(in crate::store) fn fetches(&self) -> PathBuf {
        self.cache().join(FETCHES)
    }

    pub(in crate::store) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(in crate::store) fn leases(&self) -> PathBuf {
        self.root.join("leases")
    }

    pub(in crate::store) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// The marks of builds that have begun and not ended, a folder for each derivation. Its name is one that a check by
    /// versions of before passes over.
    pub(in crate::store) fn all_begun(&self) -> PathBuf {
        self.root.join(".begun")
    }

    /// Those of one derivation.
    pub(in crate::store) fn begun(&self, dref: &DRefId) -> PathBuf {
        self.all_begun().join(dref.folder_name().as_str())
    }

    /// The lock on building one derivation in one context.
    pub(in crate::store) fn build_lock(&self, dref: &DRefId, context: &Context) -> PathBuf {
        // The derivation's hash is whole, so its name is not needed to tell it apart.
        let hash = &dref.folder()[..32];
        self.locks()
            .join(format!("b/{hash}-{}", context.short_hash()))
    }

    pub(in crate::store) fn roots(&self) -> PathBuf {
        self.root.join("roots")
    }

    pub(in crate::store) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub(in crate::store) fn reserved(&self) -> PathBuf {
        self.root.join(RESERVED)
    }

    pub(in crate::store) fn failed(&self) -> PathBuf {
        self.root.join("failed")
    }

    pub(in crate::store) fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }
}
