//! Derivations in the store: folders with a config.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{ConfigJson, DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::durable::{rename_new, set_back};
use crate::store::disk::layout::CONFIG;
use crate::store::disk::regular;
use crate::store::disk::remove::remove_tree;
use crate::store::disk::system::FileTime;
use crate::store::disk::there::is_there;
use crate::store::disk::unsynced::Unsynced;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Adds a derivation to the store. Does nothing if it is there already.
    pub(crate) fn add_derivation(&self, config: &ConfigJson) -> Result<()> {
        if !self.knows(config.id()) {
            // Before checking whether it exists, to protect it from garbage collection until it has a realization.
            self.record_in_use([config.id()])?;
            let mut unsynced = Unsynced::new(self.durability());
            let draft = self.draft_derivation(config, &mut unsynced)?;
            unsynced.sync()?;
            self.install_derivation(config, draft)?;
        }
        Ok(())
    }

    /// Prepares the folder of a derivation, to be installed after it is synced. Returns `None` if the store already has it.
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
            set_back: None,
        };
        unsynced.create(&folder.join(CONFIG), config.text().as_bytes())?;
        unsynced.folder(&folder);
        Ok(Some(draft))
    }

    /// Installs a synced derivation folder. If there is one already, checks that it holds the same config.
    pub(in crate::store) fn install_derivation(
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
                let _shared = self.manager().lock_shared()?;
                draft.move_to(&target)?
            }
            None => false,
        };
        if !placed {
            self.compare_derivation(config, &target)?;
        }
        // Also if it existed: the process that created it may not have synced it yet.
        self.durability().sync_folder(&self.layout().objects())?;
        self.learn(config.id());
        Ok(())
    }

    /// Installs a synced derivation folder that contains its first realization, after `check` succeeds. Returns `None` if the
    /// store already has the derivation; the realization is then back at its original path.
    pub(in crate::store) fn install_with_realization(
        &self,
        config: &ConfigJson,
        draft: DerivationDraft,
        check: impl FnOnce() -> Result<()>,
    ) -> Result<Option<Installed>> {
        self.manager().settle_root(self.durability())?;
        let shared = self.manager().lock_shared()?;
        check()?;
        let set_back = draft.set_back;
        let placed = draft.move_to(&self.derivation_dir(config.id()))?;
        drop(shared);
        if !placed {
            return Ok(None);
        }
        self.durability().sync_folder(&self.layout().objects())?;
        self.learn(config.id());
        Ok(Some(Installed::WithDerivation { set_back }))
    }

    /// Checks that an existing derivation folder holds this config.
    fn compare_derivation(&self, config: &ConfigJson, target: &Path) -> Result<()> {
        let path = target.join(CONFIG);
        if is_there(target)? && !is_there(&path)? {
            // A repair quarantined a corrupt config; restore it.
            let draft = self.manager().temporary()?;
            let _shared = self.manager().lock_shared()?;
            self.durability()
                .publish_file(&draft, &path, config.text().as_bytes())?;
        }
        if read(config.id(), &path)? != config.text().as_bytes() {
            return Err(broken(config.id(), &path));
        }
        Ok(())
    }

    /// Reads the config of a derivation and checks it against the reference.
    ///
    /// # Errors
    /// Fails if the derivation is not in the store ([`ErrorKind::Missing`]), if its `config.json` is corrupt
    /// ([`ErrorKind::Store`]), or if a system call fails.
    pub fn config(&self, dref: impl AsRef<DRefId>) -> Result<ConfigJson> {
        let dref = dref.as_ref();
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

/// A derivation folder that is not installed yet. Dropping it removes the folder.
pub(in crate::store) struct DerivationDraft {
    folder: Option<PathBuf>,
    /// The realization inside, as its current and its original path. It moves back if the folder is not installed.
    guest: Option<(PathBuf, PathBuf)>,
    /// The modification time of the folder since it is complete.
    set_back: Option<FileTime>,
}

/// What became of a realization's folder that was to be installed.
pub(in crate::store) enum Installed {
    /// It came with the folder of its derivation, whose modification time is `set_back` as long as nothing else changes there.
    WithDerivation { set_back: Option<FileTime> },
    /// It came into the folder of its derivation.
    Added,
    /// The realization existed. Its missing build records were added to it.
    Merged,
}

impl DerivationDraft {
    /// Moves a realization into the folder, so that one rename publishes both. Then the folder is complete.
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
            self.set_back = set_back(folder);
            self.guest = Some((inside, realization.to_owned()));
        }
        Ok(())
    }

    /// Installs the folder; returns `false` if `target` exists.
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
            // Keep the realization in the temporary folder rather than delete it; the sweep removes it after this process
            // exits.
            return;
        }
        if let Some(folder) = &self.folder {
            // Best effort: the sweep of dead processes removes a leftover.
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
        .with_help("`instantiate` and realize it, or unpack an archive that holds it")),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

fn broken(dref: &DRefId, path: &Path) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{} is not the config of {dref}", path.display()),
    )
    .at(path)
    .with_help(format!(
        "`sha256sum config.json` should begin with the hash of the folder's name: \
         move {} away, and what is realized again is made anew",
        path.parent().unwrap_or(path).display()
    ))
}
