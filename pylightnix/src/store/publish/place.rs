//! Putting a finished folder where a realization belongs.

use std::fs;
use std::io;
use std::path::Path;

use crate::config::{ConfigJson, RRefId};
use crate::store::Store;
use crate::store::disk::durable::{is_not_found, rename_new, touch};
use crate::store::disk::layout::RECORD;
use crate::store::disk::regular;
use crate::store::disk::there::is_there;
use crate::store::disk::unsynced::Unsynced;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::context::Context;
use crate::{Error, ErrorKind, Result};

/// Moves `folder`, which is whole when `unsynced` is synced, to the place of realization `id` of `derivation`, whose record
/// has this text. `false` says that the realization was there; then it gets the build records that it has not.
pub(in crate::store) fn place(
    store: &Store,
    derivation: &ConfigJson,
    context: &Context,
    folder: &Path,
    id: &RRefId,
    text: &str,
    mut unsynced: Unsynced,
) -> Result<bool> {
    let used = context.iter().map(|(dref, _)| dref);
    // It and what it was made from stay from here on.
    store.name_in_use(used.chain([derivation.id()]))?;
    let draft = store.draft_derivation(derivation, &mut unsynced)?;
    if let Some(mut draft) = draft {
        draft.take_in(folder, id, &mut unsynced)?;
        // All of it, before any of it can be seen.
        unsynced.sync()?;
        let check = || check_context(store, context, id);
        if store.place_with_realization(derivation, draft, check)? {
            return Ok(true);
        }
    } else {
        unsynced.sync()?;
    }
    store.place_derivation(derivation, None)?;
    let new = match move_or_merge(store, context, folder, id, text) {
        Err(error) if is_not_found(&error) => {
            // Somebody deleted the derivation since this process made it.
            store.forget_derivation(derivation.id());
            store.add_derivation(derivation)?;
            move_or_merge(store, context, folder, id, text)?
        }
        placed => placed?,
    };
    if new {
        store
            .durability()
            .sync_folder(&store.derivation_dir(id.dref()))?;
    }
    Ok(new)
}

fn move_or_merge(
    store: &Store,
    context: &Context,
    folder: &Path,
    id: &RRefId,
    text: &str,
) -> Result<bool> {
    let entered = store.manager().enter()?;
    check_context(store, context, id)?;
    if rename_new(folder, &store.realization_dir(id))? {
        return Ok(true);
    }
    drop(entered);
    add_builds(store, folder, id, text)?;
    Ok(false)
}

/// Gives the realization `id`, which is in the store and whose record has this text, the build records in `folder` that
/// it has not.
pub(in crate::store) fn add_builds(
    store: &Store,
    folder: &Path,
    id: &RRefId,
    text: &str,
) -> Result<()> {
    let target = store.realization_dir(id);
    let entered = store.manager().enter()?;
    check_same(&target, text)?;
    let added = merge(folder, &target)?;
    drop(entered);
    let derivation = store.derivation_dir(id.dref());
    if added {
        store.durability().sync_folder(&target)?;
        touch(&derivation)?;
    }
    // Who put it there may not have come to this yet, and it is told that it is there.
    store.durability().sync_folder(&derivation)
}

/// Moves build records and logs from `folder` to `target`, those that are there already excepted.
fn merge(folder: &Path, target: &Path) -> Result<bool> {
    let refused = |error| Error::io("read the folder", folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let name = entry.map_err(refused)?.file_name();
        if let Some(kind) = BuildRecord::kind_of(name.as_encoded_bytes()) {
            names.push((kind, name));
        }
    }
    // The logs first: whoever sees a build record finds its log.
    names.sort_unstable();
    let mut added = false;
    for (_, name) in names {
        added |= rename_new(&folder.join(&name), &target.join(&name))?;
    }
    Ok(added)
}

/// Checks that all is there from which `id` was made.
fn check_context(store: &Store, context: &Context, id: &RRefId) -> Result<()> {
    for dep in context.realizations() {
        if !is_there(&store.realization_dir(dep).join(RECORD))? {
            return Err(Error::new(
                ErrorKind::Store,
                format!("{id} cannot be published: {dep}, from which it was made, is not in the store"),
            )
            .help(
                "it was removed meanwhile: run again; call `use_derivations` before reading to keep it",
            ));
        }
    }
    Ok(())
}

/// Checks that the realization at `target` says of itself what ours does.
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
    .help(format!("move {} away and run again", target.display()));
    // As text: a system's error would look like a derivation that is missing.
    Err(match cause {
        Some(error) => broken.because(error.to_string()),
        None => broken,
    })
}
