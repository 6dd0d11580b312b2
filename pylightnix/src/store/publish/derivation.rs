//! Derivations in the store: a folder with a config.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{ConfigJson, DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::durable::rename_new;
use crate::store::disk::layout::CONFIG;
use crate::store::disk::regular;
use crate::store::disk::remove::remove_tree;
use crate::store::disk::there::is_there;
use crate::store::disk::unsynced::Unsynced;
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
    pub(in crate::store) fn draft_derivation(
        &self,
        config: &ConfigJson,
        unsynced: &mut Unsynced,
    ) -> Result<Option<DerivationDraft>> {
        if self.knows(config.id()) || is_there(&self.derivation_dir(config.id()))? {
            return Ok(None);
        }
        let folder = self.manager().temporary()?;
        fs::create_dir(&folder).map_err(|error| Error::io("create the folder", &folder, error))?;
        let draft = DerivationDraft {
            folder: Some(folder.clone()),
            guest: None,
        };
        unsynced.create(&folder.join(CONFIG), config.text().as_bytes())?;
        unsynced.folder(&folder);
        Ok(Some(draft))
    }

    /// Puts a derivation's folder, which is synced, in its place. One that is there already has to be the same.
    pub(in crate::store) fn place_derivation(
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

    /// Puts a derivation's folder with its first realization, all of it synced, in its place, where the caller has seen to
    /// what has to be there before. `false` says that the derivation was there already; then the realization is where it was
    /// before the folder took it in.
    pub(in crate::store) fn place_with_realization(
        &self,
        config: &ConfigJson,
        draft: DerivationDraft,
        check: impl FnOnce() -> Result<()>,
    ) -> Result<bool> {
        self.manager().settle_root(self.durability())?;
        let entered = self.manager().enter()?;
        check()?;
        let placed = draft.move_to(&self.derivation_dir(config.id()))?;
        drop(entered);
        if placed {
            self.durability().sync_folder(&self.layout().objects())?;
            self.learn(config.id());
        }
        Ok(placed)
    }

    /// Checks that the folder of a derivation that is there is this one's.
    fn compare_derivation(&self, config: &ConfigJson, target: &Path) -> Result<()> {
        let path = target.join(CONFIG);
        if is_there(target)? && !is_there(&path)? {
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
pub(in crate::store) struct DerivationDraft {
    folder: Option<PathBuf>,
    /// A realization in it, and where that was before: it goes back there if this does not come to its place.
    guest: Option<(PathBuf, PathBuf)>,
}

impl DerivationDraft {
    /// Takes in the folder of a realization, whose parts may still have to be synced: one rename then shows both.
    pub(in crate::store) fn take_in(
        &mut self,
        realization: &Path,
        id: &RRefId,
        unsynced: &mut Unsynced,
    ) -> Result<()> {
        if let Some(folder) = &self.folder {
            let inside = folder.join(id.folder());
            fs::rename(realization, &inside)
                .map_err(|error| Error::io("rename", realization, error))?;
            unsynced.moved(realization, &inside);
            self.guest = Some((inside, realization.to_owned()));
        }
        Ok(())
    }

    /// `false` says that something was there already.
    fn move_to(mut self, target: &Path) -> Result<bool> {
        let moved = match &self.folder {
            Some(folder) => rename_new(folder, target)?,
            None => false,
        };
        if moved {
            self.folder = None;
            self.guest = None;
        }
        Ok(moved)
    }
}

impl Drop for DerivationDraft {
    fn drop(&mut self) {
        if let Some((inside, home)) = &self.guest
            && fs::rename(inside, home).is_err()
        {
            // Better left to be looked at, until this process is gone, than removed.
            return;
        }
        if let Some(folder) = &self.folder {
            // What cannot be removed now is swept when this process is gone.
            let _ = remove_tree(folder);
        }
    }
}

fn read(dref: &DRefId, path: &Path) -> Result<Vec<u8>> {
    let folder = path.parent().unwrap_or(path);
    match regular::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_there(folder)? => {
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
