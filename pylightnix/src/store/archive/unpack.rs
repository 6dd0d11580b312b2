//! Reading archives.

use rustix::fs::OFlags;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::content::Archive;
use super::frame;
use super::refused;
use crate::config::RRefId;
use crate::store::Store;
use crate::store::place::{add_builds, place};
use crate::store::staging::Staging;
use crate::store::unsynced::Unsynced;
use crate::store::whole::present;
use crate::{Error, Result};

pub(super) fn unpack(store: &Store, path: &Path) -> Result<Vec<RRefId>> {
    let file = OpenOptions::new()
        .read(true)
        // A pipe without a writer is opened as well, and refused.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|error| Error::io("open", path, error))?;
    let found = file
        .metadata()
        .map_err(|error| Error::io("look at", path, error))?;
    if !found.is_file() {
        return Err(refused(path, "it is no file"));
    }
    let archive = Archive {
        path,
        file: &file,
        members: frame::read(&file, path)?,
    };
    let inventory = archive.inventory()?;
    // Before it is asked what is there, and until what depends on it is published.
    store.name_in_use(inventory.configs.keys())?;
    let ids = inventory.realizations.iter().map(|packed| &packed.id);
    let present = present(store, ids)?;
    let staging = Staging::new(store)?;
    let folder = |at: usize| staging.folder().join(at.to_string());
    // All is written and checked before anything is published.
    let mut there = Vec::new();
    for (at, packed) in inventory.realizations.iter().enumerate() {
        archive.check_paths(packed, &folder(at))?;
        archive.check_paths(packed, &store.realization_dir(&packed.id))?;
        let is_there = present.contains(&packed.id);
        if is_there {
            archive.verify(packed)?;
            archive.stage_builds(packed, &folder(at), store.durability())?;
        } else {
            archive.stage(packed, &folder(at), store.durability())?;
        }
        there.push(is_there);
    }
    for (at, (packed, is_there)) in inventory.realizations.iter().zip(there).enumerate() {
        if is_there {
            if let Some(config) = inventory.configs.get(packed.id.dref()) {
                // A repair may have put aside the config alone.
                store.add_derivation(config)?;
            }
            add_builds(store, &folder(at), &packed.id, &packed.text)?;
        } else if let Some(config) = inventory.configs.get(packed.id.dref()) {
            let context = &packed.record.head().context;
            place(
                store,
                config,
                context,
                &folder(at),
                &packed.id,
                &packed.text,
                // It is synced already.
                Unsynced::new(store.durability()),
            )?;
        }
    }
    Ok(inventory
        .realizations
        .into_iter()
        .map(|packed| packed.id)
        .collect())
}
