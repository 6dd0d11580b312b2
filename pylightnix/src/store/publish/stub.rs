//! Stubs: realizations of which the store has the records, and not the files.
//!
//! A stub is a folder in `remote-v1` with the record and the build files, and its derivation is in `store-v1` as that of any realization.
//! It counts like one: in contexts, for matchers, and for garbage collection. Its files are fetched before a stage or a program reads them.

use std::fs;
use std::path::Path;

use crate::config::{ConfigJson, RRefId};
use crate::store::Store;
use crate::store::disk::durable::{is_not_found, rename_new, touch};
use crate::store::disk::remove::remove_tree;
use crate::store::disk::there::is_there;
use crate::store::object::context::Context;
use crate::store::publish::install::{add_builds, check_context, merge};
use crate::{Error, Result};

impl Store {
    /// Publishes the records of a realization whose files stay elsewhere. `folder` has its record, which is `text`, and its build files,
    /// and is synced. What is here already gains the build files that it lacks.
    pub(in crate::store) fn put_stub(
        &self,
        config: &ConfigJson,
        context: &Context,
        folder: &Path,
        id: &RRefId,
        text: &str,
    ) -> Result<()> {
        let used = context.iter().map(|(dref, _)| dref);
        // Before looking at what is here, to protect it from garbage collection.
        self.record_in_use(used.chain([config.id()]))?;
        let derivation = self.derivation_dir(config.id());
        if !is_there(&derivation)? {
            self.forget_derivation(config.id());
        }
        self.add_derivation(config)?;
        let (all, place) = (self.layout().stubs_of(id.dref()), self.layout().stub(id));
        let shared = self.manager().lock_shared()?;
        check_context(self, context, id)?;
        if self.is_whole(id)? {
            drop(shared);
            return add_builds(self, folder, id, text);
        }
        fs::create_dir_all(&all).map_err(|error| Error::io("create the folder", &all, error))?;
        if !rename_new(folder, &place)? {
            merge(folder, &place)?;
        }
        drop(shared);
        let stubs = self.layout().stubs();
        for folder in [&*place, &all, &stubs, self.root()] {
            match self.durability().sync_folder(folder) {
                // It was filled meanwhile.
                Err(error) if is_not_found(&error) => {}
                done => done?,
            }
        }
        touch(&derivation)?;
        self.durability().sync_folder(&derivation)
    }

    /// Removes the stub of a realization that is whole now, if there is one. Its build files go over to the realization.
    pub(in crate::store) fn unite_stub(&self, id: &RRefId) -> Result<()> {
        let (stub, whole) = (self.layout().stub(id), self.realization_dir(id));
        if !is_there(&stub)? {
            return Ok(());
        }
        let away = self.manager().temporary()?;
        let shared = self.manager().lock_shared()?;
        let united = unite(self, &stub, &whole, &away);
        drop(shared);
        match united {
            // Another process did it meanwhile.
            Err(error) if is_not_found(&error) => return Ok(()),
            united => united?,
        }
        // Best effort: the sweep of temporary files removes a leftover.
        let _ = remove_tree(&away);
        touch(&self.derivation_dir(id.dref()))
    }
}

fn unite(store: &Store, stub: &Path, whole: &Path, away: &Path) -> Result<()> {
    if merge(stub, whole)? {
        store.durability().sync_folder(whole)?;
    }
    fs::rename(stub, away).map_err(|error| Error::io("remove", stub, error))
}
