//! Derivations in the store: a folder with a config.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Store;
use super::durable::rename_new;
use super::layout::CONFIG;
use super::remove::remove_tree;
use super::unsynced::Unsynced;
use crate::config::{ConfigJson, DRefId};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Puts a derivation into the store; one that is there already stays as it is.
    ///
    /// # Errors
    /// A refusal of the system, or another config where this one's should be.
    pub fn add_derivation(&self, config: &ConfigJson) -> Result<()> {
        if !self.knows(config.id()) {
            // Before it is trusted to be there, and to stay until it has a realization.
            self.name_in_use([config.id()])?;
            let mut unsynced = Unsynced::new(self.durability());
            let draft = self.draft_derivation(config, &mut unsynced)?;
            unsynced.sync()?;
            self.place_derivation(config, draft)?;
        }
        Ok(())
    }

    /// Makes the folder of a derivation that is not in the store, to be put there when it is synced.
    pub(super) fn draft_derivation(
        &self,
        config: &ConfigJson,
        unsynced: &mut Unsynced,
    ) -> Result<Option<DerivationDraft>> {
        if self.knows(config.id()) || self.derivation_dir(config.id()).exists() {
            return Ok(None);
        }
        let folder = self.manager().temporary()?;
        fs::create_dir(&folder).map_err(|error| Error::io("create the folder", &folder, error))?;
        let draft = DerivationDraft(Some(folder.clone()));
        unsynced.create(&folder.join(CONFIG), config.text().as_bytes())?;
        unsynced.folder(&folder);
        Ok(Some(draft))
    }

    /// Puts a derivation's folder, which is synced, in its place. One that is there already has to be the same.
    pub(super) fn place_derivation(
        &self,
        config: &ConfigJson,
        draft: Option<DerivationDraft>,
    ) -> Result<()> {
        if self.knows(config.id()) {
            return Ok(());
        }
        let target = self.derivation_dir(config.id());
        self.manager().settle_root(self.durability())?;
        let placed = match draft {
            Some(draft) => {
                let _entered = self.manager().enter()?;
                draft.move_to(&target)?
            }
            None => false,
        };
        if !placed {
            self.compare_derivation(config, &target)?;
        }
        // Also when it was there: who put it there may not have come to this yet.
        self.durability().sync_folder(&self.layout().objects())?;
        self.learn(config.id());
        Ok(())
    }

    /// Checks that the folder of a derivation that is there is this one's.
    fn compare_derivation(&self, config: &ConfigJson, target: &Path) -> Result<()> {
        let path = target.join(CONFIG);
        if target.is_dir() && path.symlink_metadata().is_err() {
            // A repair put a broken one aside, and this is the one that belongs there.
            let draft = self.manager().temporary()?;
            let _entered = self.manager().enter()?;
            self.durability()
                .publish_file(&draft, &path, config.text().as_bytes())?;
        }
        if read(config.id(), &path)? != config.text().as_bytes() {
            return Err(broken(config.id(), &path));
        }
        Ok(())
    }

    /// The config of a derivation, checked against its reference.
    ///
    /// # Errors
    /// A derivation that is not in the store ([`ErrorKind::Missing`]), a broken or foreign `config.json`
    /// ([`ErrorKind::Store`]), a refusal of the system.
    pub fn config(&self, dref: &DRefId) -> Result<ConfigJson> {
        let path = self.derivation_dir(dref).join(CONFIG);
        let bytes = read(dref, &path)?;
        let config = ConfigJson::from_canonical(&bytes)
            .map_err(|error| broken(dref, &path).because(error))?;
        if config.id() != dref {
            return Err(broken(dref, &path));
        }
        Ok(config)
    }
}

/// The folder of a derivation, before it is in its place; gone with this value if it does not come there.
pub(super) struct DerivationDraft(Option<PathBuf>);

impl DerivationDraft {
    /// `false` says that something was there already.
    fn move_to(mut self, target: &Path) -> Result<bool> {
        let moved = match &self.0 {
            Some(folder) => rename_new(folder, target)?,
            None => false,
        };
        if moved {
            self.0 = None;
        }
        Ok(moved)
    }
}

impl Drop for DerivationDraft {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            // What cannot be removed now is swept when this process is gone.
            let _ = remove_tree(folder);
        }
    }
}

fn read(dref: &DRefId, path: &Path) -> Result<Vec<u8>> {
    let folder = path.parent().unwrap_or(path);
    match fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder.exists() => {
            Err(broken(dref, path).because(error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::new(
            ErrorKind::Missing,
            format!("{dref} is not in the store"),
        )
        .at(folder)
        .help("`instantiate` and realize it, or unpack an archive that holds it")),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

fn broken(dref: &DRefId, path: &Path) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{} is not the config of {dref}", path.display()),
    )
    .at(path)
    .help(format!(
        "`sha256sum config.json` should begin with the hash of the folder's name: \
         move {} away, and what is realized again is made anew",
        path.parent().unwrap_or(path).display()
    ))
}
