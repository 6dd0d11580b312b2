//! The remotes that a store knows by name: the file `remotes.toml` in its root. It holds no secrets.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::objects::Remote;
use crate::store::Store;
use crate::store::disk::layout::REMOTES;
use crate::store::disk::regular;
use crate::store::using::roots::check_characters;
use crate::{Error, ErrorKind, Result};

/// The variable with the name or the address of the remote that is used if none is named.
const VARIABLE: &str = "PYLIGHTNIX_REMOTE";

impl Store {
    /// Returns the addresses of the remotes that this store knows, by name.
    ///
    /// ```
    /// # use pylightnix::store::Store;
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::open(folder.path().join("store"))?;
    /// store.add_remote("team", "/shared/results")?;
    /// assert_eq!(store.remotes()?["team"], "/shared/results");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails if `remotes.toml` is not valid, or cannot be read.
    pub fn remotes(&self) -> Result<BTreeMap<String, String>> {
        let path = self.settings();
        let text = match regular::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            text => text.map_err(|error| Error::io("read", &path, error))?,
        };
        let fault = |what: &str| {
            let text = format!("{} is not valid: {what}", path.display());
            Error::new(ErrorKind::Store, text)
                .at(&path)
                .with_help("for each remote it has a line such as `team = \"/shared/results\"`")
        };
        let table = DeTable::parse(&text).map_err(|error| fault(error.message()))?;
        let mut remotes = BTreeMap::new();
        for (name, url) in table.get_ref() {
            let name = name.get_ref();
            match url.get_ref() {
                DeValue::String(url) => remotes.insert(name.to_string(), url.to_string()),
                _ => return Err(fault(&format!("the address of `{name}` is no text"))),
            };
        }
        Ok(remotes)
    }

    /// Gives the address of a remote a name in this store. Replaces the address of a remote of that name.
    ///
    /// # Errors
    /// Fails if the name or the address is not valid, or if the address contains a password; if `remotes.toml` is not valid, or cannot be
    /// written.
    pub fn add_remote(&self, name: &str, url: &str) -> Result<()> {
        check_characters(name)?;
        if url.split_once("://").is_some_and(|(_, rest)| {
            let host = rest.split('/').next().unwrap_or_default();
            host.rsplit_once('@')
                .is_some_and(|(user, _)| user.contains(':'))
        }) {
            let text = format!(
                "the address of the remote `{name}` contains a password, which would be written into the store"
            );
            return Err(Error::new(ErrorKind::Remote, text)
                .with_help("leave it out: credentials are taken from where the programs of that service keep them"));
        }
        // Understood, before it is written.
        let url = match url.contains("://") {
            true => Remote::open(url).map(|_| url.to_owned())?,
            false => Remote::open(url)?.url(),
        };
        let mut remotes = self.remotes()?;
        remotes.insert(name.to_owned(), url);
        self.write_remotes(&remotes)
    }

    /// Forgets the address of a remote. Returns `false` if there is none of this name. Leaves the remote itself as it is.
    ///
    /// # Errors
    /// Fails if `remotes.toml` is not valid, or cannot be written.
    pub fn remove_remote(&self, name: &str) -> Result<bool> {
        let mut remotes = self.remotes()?;
        let is_there = remotes.remove(name).is_some();
        if is_there {
            self.write_remotes(&remotes)?;
        }
        Ok(is_there)
    }

    /// Opens the remote with this name or address; without one, that which `$PYLIGHTNIX_REMOTE` names, or the only one that the store
    /// knows.
    ///
    /// # Errors
    /// Fails if there is no such remote, as [`Remote::open`], and as [`remotes`](Self::remotes).
    pub fn remote(&self, name: Option<&str>) -> Result<Remote> {
        let set = env::var(VARIABLE).ok().filter(|name| !name.is_empty());
        let remotes = self.remotes()?;
        let Some(name) = name.or(set.as_deref()) else {
            let mut all = remotes.iter();
            return match (all.next(), all.next()) {
                (Some((name, url)), None) => Remote::open(url).map(|remote| remote.named(name)),
                (None, _) => Err(Error::new(ErrorKind::Missing, "this store knows no remote")
                    .with_help(format!(
                        "`remote add NAME ADDRESS` adds one; or set `${VARIABLE}`"
                    ))),
                _ => {
                    let names: Vec<&str> = remotes.keys().map(String::as_str).collect();
                    let text = format!("this store knows several remotes: {}", names.join(", "));
                    Err(Error::new(ErrorKind::Missing, text)
                        .with_help(format!("name one by `--remote`, or in `${VARIABLE}`")))
                }
            };
        };
        match remotes.get(name) {
            Some(url) => Remote::open(url).map(|remote| remote.named(name)),
            // An address tells itself by a slash, or by a dot at its beginning.
            None if name.contains('/') || name.starts_with('.') => Remote::open(name),
            None => Err(Error::new(
                ErrorKind::Missing,
                format!("this store knows no remote `{name}`"),
            )
            .with_help("`remote list` shows those that it knows; the address of a folder begins with `/` or `./`")),
        }
    }

    fn settings(&self) -> PathBuf {
        self.root().join(REMOTES)
    }

    fn write_remotes(&self, remotes: &BTreeMap<String, String>) -> Result<()> {
        let mut text = String::new();
        for (name, url) in remotes {
            // A string of JSON is a basic string of TOML.
            let url = serde_json::Value::from(url.as_str());
            text += &format!("\"{name}\" = {url}\n");
        }
        let draft = self.manager().temporary()?;
        self.durability()
            .replace_file(&draft, &self.settings(), text.as_bytes())?;
        self.durability().sync_folder(self.root())
    }
}
