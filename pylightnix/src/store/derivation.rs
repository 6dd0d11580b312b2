//! Derivations in the store: a folder with a config.

use std::fs;
use std::io;
use std::path::Path;

use super::Store;
use super::durable::rename_new;
use super::layout::CONFIG;
use super::remove::remove_tree;
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
            self.place_derivation(config)?;
            self.learn(config.id());
        }
        Ok(())
    }

    fn place_derivation(&self, config: &ConfigJson) -> Result<()> {
        let target = self.derivation_dir(config.id());
        let durability = self.durability();
        self.manager().settle_root(durability)?;
        if !target.exists() {
            let draft = self.manager().temporary()?;
            let placed = fs::create_dir(&draft)
                .map_err(|error| Error::io("create the folder", &draft, error))
                .and_then(|()| {
                    durability.write_new(&draft.join(CONFIG), config.text().as_bytes())?;
                    durability.sync_folder(&draft)?;
                    let _entered = self.manager().enter()?;
                    rename_new(&draft, &target)
                });
            if !matches!(placed, Ok(true)) {
                let _ = remove_tree(&draft);
            }
            if placed? {
                return durability.sync_folder(&self.layout().objects());
            }
        }
        let path = target.join(CONFIG);
        if target.is_dir() && path.symlink_metadata().is_err() {
            // A repair put a broken one aside, and this is the one that belongs there.
            let draft = self.manager().temporary()?;
            let _entered = self.manager().enter()?;
            durability.publish_file(&draft, &path, config.text().as_bytes())?;
        }
        if read(config.id(), &path)? != config.text().as_bytes() {
            return Err(broken(config.id(), &path));
        }
        // Who put it there may not have come to this yet.
        durability.sync_folder(&self.layout().objects())
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
