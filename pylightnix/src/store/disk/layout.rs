//! Paths of files and folders under the root of a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{DRefId, RRefId};
use crate::store::object::context::Context;

/// The file that marks a folder as a store.
pub(in crate::store) const FORMAT: &str = "format.json";
/// The folder of objects. Created last, so that its existence proves that the store's creation completed.
pub(in crate::store) const OBJECTS: &str = "store-v1";
/// The folder of stubs: the records of realizations whose files are not here. It is made with the first stub. Programs from before
/// stubs know nothing of it, and find a whole derivation without realizations in `store-v1`.
pub(in crate::store) const STUBS: &str = "remote-v1";
/// The file in the folder of a realization with the address of the remote that it was taken from. Of a stub, it is a hint where the files
/// are.
pub(in crate::store) const TAKEN_FROM: &str = "remote";
/// The config of a derivation.
pub(in crate::store) const CONFIG: &str = "config.json";
/// The record of a realization: derivation, context, outcome and manifest.
pub(in crate::store) const RECORD: &str = "record";
/// The artifact folder of a realization.
pub(in crate::store) const OUT: &str = "out";
/// The log of a build: beside the output while the build runs, and kept beside a failed output.
pub(in crate::store) const LOG: &str = "log";

/// What is known of a failed build, in its folder.
pub(in crate::store) const FAILURE: &str = "failure.json";
/// The empty file in the folder of a failed build of which a run has told.
pub(in crate::store) const TOLD: &str = "told";

/// What was run, in the folder of a run.
pub(in crate::store) const RUN: &str = "run.json";
/// The answers that the plan of a run was made from.
pub(in crate::store) const RUN_ANSWERS: &str = "answers.json";
/// The events of a run.
pub(in crate::store) const RUN_EVENTS: &str = "events.jsonl";

/// The file with what the process of a run prints that has left its terminal.
pub(in crate::store) const RUN_OUTPUT: &str = "output";
/// The empty file by which the process of a run is asked to cancel it.
pub(in crate::store) const RUN_CANCEL: &str = "cancel";

/// The folder with the orders of a run.
pub(crate) const RUN_ORDERS: &str = "orders";
/// The folder with the copy of the program that tasks of a run are.
pub(crate) const RUN_PROGRAM: &str = "bin";

/// The cache folder of partial downloads.
pub(crate) const FETCHES: &str = "fetches";

/// The file with the addresses of remotes.
pub(in crate::store) const REMOTES: &str = "remotes.toml";

/// The reserve file, which garbage collection deletes first to free space on a full disk.
pub(in crate::store) const RESERVED: &str = "reserved";

/// All folders of a store; parents come first and `store-v1` last.
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

/// Computes the paths of a store.
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

    /// Returns the objects folder as a shared path.
    pub(in crate::store) fn shared_objects(&self) -> &Arc<Path> {
        &self.objects
    }

    /// Returns the folder of index files, a cache that may be deleted at any time.
    pub(in crate::store) fn index(&self) -> PathBuf {
        self.root.join("cache/index")
    }

    /// Returns the folder of what tables of realizations were read from, a cache that may be deleted at any time.
    pub(in crate::store) fn pages(&self) -> PathBuf {
        self.root.join("cache/pages")
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

    /// Returns the folder of stubs, whether or not it exists.
    pub(in crate::store) fn stubs(&self) -> PathBuf {
        self.root.join(STUBS)
    }

    /// Returns the folder of the stubs of a derivation, whether or not it exists.
    pub(in crate::store) fn stubs_of(&self, dref: &DRefId) -> PathBuf {
        self.stubs().join(dref.folder_name().as_str())
    }

    /// Returns the folder of a stub, whether or not it exists.
    pub(in crate::store) fn stub(&self, rref: &RRefId) -> PathBuf {
        let mut path = self.stubs_of(rref.dref());
        path.push(rref.folder());
        path
    }

    pub(in crate::store) fn code(&self) -> PathBuf {
        self.root.join("code")
    }

    /// Returns the folder of the texts that lists of code name. Versions before lists pass over names with a dot.
    pub(in crate::store) fn code_items(&self) -> PathBuf {
        self.code().join(".items")
    }

    /// Returns the folder of reproducible data, which may be deleted at any time.
    pub(in crate::store) fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Returns the folder of what runs did. It is hidden because `check` of earlier versions ignores hidden names.
    pub(in crate::store) fn runs(&self) -> PathBuf {
        self.root.join(".runs")
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

    /// Returns the folder of build marks, with one subfolder for each derivation. It is hidden because `check` of earlier
    /// versions ignores hidden names.
    pub(in crate::store) fn all_begun(&self) -> PathBuf {
        self.root.join(".begun")
    }

    /// Returns the folder of a derivation's build marks.
    pub(in crate::store) fn begun(&self, dref: &DRefId) -> PathBuf {
        self.all_begun().join(dref.folder_name().as_str())
    }

    /// Returns the path of the build lock for one derivation in one context.
    pub(in crate::store) fn build_lock(&self, dref: &DRefId, context: &Context) -> PathBuf {
        // The folder name begins with the derivation's full hash, which identifies it without the name.
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
