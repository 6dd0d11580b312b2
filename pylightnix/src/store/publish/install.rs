//! Installing a finished realization folder in the store.

use std::io;
use std::path::Path;

use crate::config::{ConfigJson, RRefId};
use crate::store::Store;
use crate::store::disk::durable::{is_not_found, rename_new, touch};
use crate::store::disk::layout::RECORD;
use crate::store::disk::regular;
use crate::store::disk::unsynced::Unsynced;
use crate::store::object::build_files::build_files;
use crate::store::object::context::Context;
use crate::store::publish::derivation::Installed;
use crate::{Error, ErrorKind, Result};

/// Installs `folder` as realization `id` of `derivation` with the record `text`, after syncing `unsynced`.
pub(in crate::store) fn install(
    store: &Store,
    derivation: &ConfigJson,
    context: &Context,
    folder: &Path,
    id: &RRefId,
    text: &str,
    mut unsynced: Unsynced,
) -> Result<Installed> {
    let used = context.iter().map(|(dref, _)| dref);
    // From here on, the realization and its dependencies are protected from garbage collection.
    store.record_in_use(used.chain([derivation.id()]))?;
    let draft = store.draft_derivation(derivation, &mut unsynced)?;
    if let Some(mut draft) = draft {
        draft.take_in(folder, id, &mut unsynced)?;
        // Everything has to be durable before it becomes visible.
        unsynced.sync()?;
        let check = || check_context(store, context, id);
        if let Some(installed) = store.install_with_realization(derivation, draft, check)? {
            return Ok(installed);
        }
    } else {
        unsynced.sync()?;
    }
    store.install_derivation(derivation, None)?;
    let new = match move_or_merge(store, context, folder, id, text) {
        Err(error) if is_not_found(&error) => {
            // The derivation was deleted after this process added it.
            store.forget_derivation(derivation.id());
            store.add_derivation(derivation)?;
            move_or_merge(store, context, folder, id, text)?
        }
        installed => installed?,
    };
    store.unite_stub(id)?;
    if !new {
        return Ok(Installed::Merged);
    }
    let derivation = store.derivation_dir(id.dref());
    store.durability().sync_folder(&derivation)?;
    Ok(Installed::Added)
}

/// Moves `folder` to its place. Returns `false` if the realization exists already; missing build records are then added to it.
fn move_or_merge(
    store: &Store,
    context: &Context,
    folder: &Path,
    id: &RRefId,
    text: &str,
) -> Result<bool> {
    let shared = store.manager().lock_shared()?;
    check_context(store, context, id)?;
    if rename_new(folder, &store.realization_dir(id))? {
        return Ok(true);
    }
    drop(shared);
    add_builds(store, folder, id, text)?;
    Ok(false)
}

/// Adds the build records in `folder` to the existing realization `id` with the record `text`, except those that it has.
pub(in crate::store) fn add_builds(
    store: &Store,
    folder: &Path,
    id: &RRefId,
    text: &str,
) -> Result<()> {
    let target = store.realization_dir(id);
    let shared = store.manager().lock_shared()?;
    check_same(&target, text)?;
    let added = merge(folder, &target)?;
    drop(shared);
    let derivation = store.derivation_dir(id.dref());
    if added {
        store.durability().sync_folder(&target)?;
        touch(&derivation)?;
    }
    // The process that published it may not have synced the folder yet.
    store.durability().sync_folder(&derivation)
}

/// Moves build records and logs that `target` does not have from `folder` to it. Returns whether there were any.
pub(in crate::store) fn merge(folder: &Path, target: &Path) -> Result<bool> {
    let mut added = false;
    // Logs come first, so that a log exists whenever its build record is visible.
    for (_, name) in build_files(folder)? {
        added |= rename_new(&folder.join(&name), &target.join(&name))?;
    }
    Ok(added)
}

/// Checks that all realizations from which `id` was made are in the store, or their stubs.
pub(in crate::store) fn check_context(store: &Store, context: &Context, id: &RRefId) -> Result<()> {
    for dep in context.realizations() {
        if !store.is_known(dep)? {
            return Err(Error::new(
                ErrorKind::Store,
                format!("{id} cannot be published: {dep}, from which it was made, is not in the store"),
            )
            .with_help(
                "it was removed meanwhile: run again; call `use_derivations` before reading to keep it",
            ));
        }
    }
    Ok(())
}

/// Checks that the record of the realization at `target` is `text`.
fn check_same(target: &Path, text: &str) -> Result<()> {
    let path = target.join(RECORD);
    let cause = match regular::read(&path) {
        Ok(bytes) if bytes == text.as_bytes() => return Ok(()),
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(error),
        Err(error) => return Err(Error::io("read", &path, error)),
    };
    let broken = Error::new(
        ErrorKind::Store,
        format!("the record {} is broken", path.display()),
    )
    .at(&path)
    .with_help(format!("move {} away and run again", target.display()));
    // As text: `is_not_found` would mistake an I/O error for a missing derivation.
    Err(match cause {
        Some(error) => broken.because(error.to_string()),
        None => broken,
    })
}
