//! Getting at the artifacts of a realization by their paths.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::config::{RRefId, list_names};
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Where an artifact of a realization is, by its path in `out/`, as `store.record(&rref)?.manifest()` lists them.
    /// What is there is read-only.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Words { #[selfref("words.txt")] out: SelfRef<Text> }
    /// # #[stage] fn words(b: &Build<Words>) -> Result<WordsOutputs> { Ok(WordsOutputs { out: b.out.save("a b")? }) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// let words = store.realize(&instantiate(Words::new())?)?;
    /// assert_eq!(std::fs::read_to_string(store.artifact(&words, "words.txt")?)?, "a b");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A realization that is not in the store or whose record is broken, a path that it does not have: the error says
    /// which it has.
    pub fn artifact(&self, rref: impl AsRef<RRefId>, path: &str) -> Result<PathBuf> {
        let rref = rref.as_ref();
        self.use_derivations([rref.dref()])?;
        let record = self.record(rref)?;
        let entries = record.manifest().entries();
        match entries.binary_search_by(|entry| entry.path.as_str().cmp(path)) {
            Ok(_) => Ok(self.out_dir(rref).join(path)),
            Err(_) => {
                let there = list_names(entries.iter().map(|entry| entry.path.as_str()));
                let message = format!("{rref} has no artifact {path:?}");
                Err(Error::new(ErrorKind::Missing, message).help(there))
            }
        }
    }

    /// A shell in the artifacts of a realization, `$SHELL` or `/bin/sh`, ready to be run: `store.shell(&rref)?.status()?`.
    /// They are read-only. `$PYLIGHTNIX_RREF` in it is the reference, `$PYLIGHTNIX_OUT` the folder, and
    /// `$PYLIGHTNIX_ROOT` the store.
    ///
    /// As long as this process lives, garbage collection leaves them alone.
    ///
    /// # Errors
    /// A realization that is not in the store or whose record is broken, a refusal of the system.
    pub fn shell(&self, rref: impl AsRef<RRefId>) -> Result<Command> {
        let rref = rref.as_ref();
        self.use_derivations([rref.dref()])?;
        self.head(rref)?;
        let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        let out = self.out_dir(rref);
        let mut command = Command::new(shell.unwrap_or_else(|| OsString::from("/bin/sh")));
        command
            .current_dir(&out)
            .env("PYLIGHTNIX_RREF", rref.to_string())
            .env("PYLIGHTNIX_OUT", &out)
            .env("PYLIGHTNIX_ROOT", self.root());
        Ok(command)
    }
}
