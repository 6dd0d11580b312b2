//! Turning realizations into stubs whose files a remote has.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::RRefId;
use crate::store::Store;
use crate::store::disk::durable::create;
use crate::store::disk::layout::{RECORD, TAKEN_FROM};
use crate::store::disk::regular;
use crate::store::disk::unsynced::Unsynced;
use crate::store::object::build_files::build_files;
use crate::store::publish::staging::Staging;
use crate::store::remote::Remote;
use crate::{Error, Result};

/// The remote that has the files, and how long they have to be here before they go.
#[derive(Clone, Copy)]
pub(in crate::store) struct PushedTo<'a> {
    pub(in crate::store) remote: &'a Remote,
    pub(in crate::store) age: Duration,
}

/// A realization whose records are ready to take its place.
pub(in crate::store) struct StubDraft {
    staging: Staging,
    /// The names of the build files when they were copied.
    names: Vec<String>,
}

impl PushedTo<'_> {
    /// Returns those of these realizations whose files may go: they were not fetched or built for a while, and the remote has them.
    pub(in crate::store) fn among(
        &self,
        store: &Store,
        rrefs: Vec<RRefId>,
    ) -> Result<HashSet<RRefId>> {
        let mut old = Vec::new();
        for rref in rrefs {
            let folder = store.realization_dir(&rref);
            if is_older(&folder, self.age) {
                old.push((rref, names_in(&folder)?));
            }
        }
        match old.is_empty() {
            true => Ok(HashSet::new()),
            false => self.remote.has_whole(store, &old),
        }
    }

    /// Copies the records of a realization to a folder of their own, synced.
    pub(in crate::store) fn draft(&self, store: &Store, rref: &RRefId) -> Result<StubDraft> {
        let from = store.realization_dir(rref);
        let staging = Staging::new(store)?;
        let folder = staging.folder();
        let names = names_in(&from)?;
        let mut unsynced = Unsynced::new(store.durability());
        for name in names.iter().map(String::as_str).chain([RECORD]) {
            let path = from.join(name);
            let bytes = regular::read(&path).map_err(|error| Error::io("read", &path, error))?;
            let to = folder.join(name);
            unsynced.file(&to, create(&to, &bytes)?);
        }
        let to = folder.join(TAKEN_FROM);
        let url = format!("{}\n", self.remote.url());
        unsynced.file(&to, create(&to, url.as_bytes())?);
        unsynced.folder(folder);
        unsynced.sync()?;
        Ok(StubDraft { staging, names })
    }
}

impl StubDraft {
    /// Puts the stub in its place. The caller holds the exclusive lock, and moves the realization away then. Returns `false` if the
    /// realization has changed.
    pub(in crate::store) fn install(self, store: &Store, rref: &RRefId) -> Result<bool> {
        if names_in(&store.realization_dir(rref))? != self.names {
            return Ok(false);
        }
        let (all, place) = (
            store.layout().stubs_of(rref.dref()),
            store.layout().stub(rref),
        );
        fs::create_dir_all(&all).map_err(|error| Error::io("create the folder", &all, error))?;
        fs::rename(self.staging.folder(), &place)
            .map_err(|error| Error::io("create the stub", &place, error))?;
        self.staging.moved();
        // Before the realization goes.
        for folder in [&*all, &store.layout().stubs(), store.root()] {
            store.durability().sync_folder(folder)?;
        }
        Ok(true)
    }
}

/// Returns the names of the build files in the folder of a realization.
fn names_in(folder: &Path) -> Result<Vec<String>> {
    let files = build_files(folder)?.into_iter();
    Ok(files
        .filter_map(|(_, name)| name.into_string().ok())
        .collect())
}

/// Whether a folder came to its place so long ago, and nothing was added to it since.
fn is_older(folder: &Path, age: Duration) -> bool {
    let Ok(found) = fs::symlink_metadata(folder) else {
        return false;
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let changed = Duration::from_secs(found.ctime().try_into().unwrap_or(u64::MAX));
    now.saturating_sub(changed) >= age && changed <= now
}
