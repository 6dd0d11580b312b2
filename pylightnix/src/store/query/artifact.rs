//! Access to artifacts by path.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::Reference;
use super::reference::sealed::Asked as _;
use crate::config::{RRefId, list_names};
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Returns the path of an artifact on disk, given its path in `out/` as listed by `store.record(&rref)?.manifest()`.
    /// Artifacts are read-only.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Words { #[selfref("words.txt")] out: SelfRef<Text> }
    /// # #[stage] fn words(b: &Build<Words>) -> Result<WordsOutputs> { Ok(WordsOutputs { out: b.out.save("a b")? }) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let words = store.realize(&instantiate(Words::new())?)?;
    /// assert_eq!(std::fs::read_to_string(store.artifact(&words, "words.txt")?)?, "a b");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the realization is not in the store, if its record is corrupt, or if it has no such artifact; the message then
    /// lists the existing ones.
    pub fn artifact(&self, rref: impl AsRef<RRefId>, path: &str) -> Result<PathBuf> {
        let rref = rref.as_ref();
        self.use_derivations([rref.dref()])?;
        self.expect_files(rref)?;
        let record = self.record(rref)?;
        let entries = record.manifest().entries();
        match entries.binary_search_by(|entry| entry.path.as_str().cmp(path)) {
            Ok(_) => Ok(self.out_dir(rref).join(path)),
            Err(_) => {
                let there = list_names(entries.iter().map(|entry| entry.path.as_str()));
                let message = format!("{rref} has no artifact {path:?}");
                Err(Error::new(ErrorKind::Missing, message).with_help(there))
            }
        }
    }

    /// Returns a command that runs a shell, `$SHELL` or `/bin/sh`, in the folder of artifacts of a realization, which are read-only:
    /// `store.shell(&rref)?.status()?`. Of a derivation it is the folder with its config and its realizations; a derivation of a plan need not
    /// be realized, and is written into the store then, with those that it depends on.
    ///
    /// The environment has `$PYLIGHTNIX_DREF` and, of a realization, `$PYLIGHTNIX_RREF`, the references; `$PYLIGHTNIX_OUT`, the folder; and
    /// `$PYLIGHTNIX_ROOT`, the store.
    ///
    /// What it is called with is protected from garbage collection while this process lives.
    ///
    /// # Errors
    /// Fails if it is not in the store and is no derivation of a plan, if its record is corrupt, or if a system call fails.
    pub fn shell<R: Reference>(&self, of: R) -> Result<Command> {
        let (dref, rref) = (of.reference().derivation(), of.reference().realization());
        self.use_derivations([dref])?;
        let folder = match rref {
            Some(rref) => {
                self.head(rref)?;
                self.expect_files(rref)?;
                self.out_dir(rref)
            }
            None => {
                self.write_derivation(&of)?;
                self.derivation_dir(dref)
            }
        };
        let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        let mut command = Command::new(shell.unwrap_or_else(|| OsString::from("/bin/sh")));
        command
            .current_dir(&folder)
            .env("PYLIGHTNIX_DREF", dref.to_string())
            .env("PYLIGHTNIX_OUT", &folder)
            .env("PYLIGHTNIX_ROOT", self.root());
        match rref {
            Some(rref) => command.env("PYLIGHTNIX_RREF", rref.to_string()),
            None => command.env_remove("PYLIGHTNIX_RREF"),
        };
        Ok(command)
    }
}
