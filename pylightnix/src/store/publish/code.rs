//! Storing the texts that code fingerprints are hashes of.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::store::Store;
use crate::store::disk::entries::entries;
use crate::store::disk::regular;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Saves the text of a code fingerprint, unless it is saved already.
    pub(crate) fn save_code(&self, fingerprint: &str, text: &str) -> Result<()> {
        if self.saved_code().contains(fingerprint) {
            // The lease already protects it from garbage collection while this process lives.
            return Ok(());
        }
        let path = self.code_path(fingerprint)?;
        // Protect it before checking that it exists, until a build record names it.
        self.manager().record_code_in_use(fingerprint)?;
        if path.exists() {
            // The process that created it may not have synced the folder yet.
            self.durability().sync_folder(&self.layout().code())?;
        } else {
            let draft = self.manager().temporary()?;
            self.durability()
                .publish_file(&draft, &path, text.as_bytes())?;
        }
        self.saved_code().insert(fingerprint.to_owned());
        Ok(())
    }

    /// Returns the text of a code fingerprint, or `None` if it was not saved.
    ///
    /// # Errors
    /// Fails if the fingerprint is not a valid file name, or if a system call fails.
    pub fn code(&self, fingerprint: &str) -> Result<Option<String>> {
        let path = self.code_path(fingerprint)?;
        match regular::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path, error)),
        }
    }

    /// Returns the fingerprints of all saved texts.
    pub(in crate::store) fn all_code(&self) -> Result<HashSet<String>> {
        let folder = self.layout().code();
        let mut all = HashSet::new();
        for entry in entries(&folder)? {
            let name = entry?.file_name().into_string();
            // Ignore foreign files.
            all.extend(name.ok().filter(|name| self.code_path(name).is_ok()));
        }
        Ok(all)
    }

    pub(in crate::store) fn delete_code(&self, fingerprint: &str) -> Result<()> {
        let path = self.code_path(fingerprint)?;
        fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))
    }

    fn code_path(&self, fingerprint: &str) -> Result<PathBuf> {
        let fits = (1..=200).contains(&fingerprint.len())
            && !fingerprint.starts_with('.')
            && fingerprint
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if !fits {
            return Err(Error::new(
                ErrorKind::Store,
                format!("{fingerprint:?} cannot be the name of a kept text"),
            )
            .with_help("a fingerprint is 1 to 200 of a-z, A-Z, 0-9, `_`, `-` and `.`, not beginning with a dot"));
        }
        Ok(self.layout().code().join(fingerprint))
    }
}
