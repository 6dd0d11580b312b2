//! The folder of a person's keys, outside any store.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{KeyId, PublicKey, SigningKey};
use crate::config::Name;
use crate::{Error, ErrorKind, Result};

/// The variable that names the folder.
const VARIABLE: &str = "PYLIGHTNIX_KEYS";

/// The largest file that is read as a key.
const LARGEST: u64 = 64 << 10;

/// A folder with a person's own key, and with the public keys of others. It has a file for each, named as the key is named here:
/// `NAME.secret` (readable for its owner alone) and `NAME.own` for the own key, `NAME.trusted`, `NAME.revoked`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    folder: PathBuf,
}

/// A key that has a name here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownKey {
    /// The name, which means something in this folder alone.
    pub name: String,
    /// The key.
    pub key: PublicKey,
    /// What it is here.
    pub standing: KeyStanding,
}

/// What a key is to the person who keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyStanding {
    /// The own key, which signs what is published and accepted here.
    Own,
    /// The key of somebody else, which runs can be told to trust.
    Trusted,
    /// A key of which nothing counts any more.
    Revoked,
}

impl KeyStanding {
    const ALL: [KeyStanding; 3] = [KeyStanding::Own, KeyStanding::Trusted, KeyStanding::Revoked];

    /// Returns the word for it, which is the ending of its files, too.
    pub fn word(self) -> &'static str {
        match self {
            KeyStanding::Own => "own",
            KeyStanding::Trusted => "trusted",
            KeyStanding::Revoked => "revoked",
        }
    }
}

impl Keys {
    /// The keys in `folder`, which need not exist.
    ///
    /// ```
    /// use pylightnix::keys::Keys;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    /// let (alice, bob) = (Keys::at(here), Keys::at(there));
    /// let key = alice.generate("alice")?;
    /// bob.trust("alice", &key.to_pem())?;
    /// assert_eq!(bob.named("alice")?.key, key);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Keys { folder }
    }

    /// The keys of the user who runs this program: in `$PYLIGHTNIX_KEYS`, or else in `pylightnix/keys` below `$XDG_CONFIG_HOME`, or
    /// else below `~/.config`. `None` if none of the variables is set, nor `HOME`.
    pub fn of_user() -> Option<Self> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        let home = || set("HOME").map(|home| PathBuf::from(home).join(".config"));
        let folder = match set(VARIABLE) {
            Some(folder) => PathBuf::from(folder),
            None => (set("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home))?
                .join("pylightnix")
                .join("keys"),
        };
        Some(Keys::at(folder))
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the own key, under this name.
    ///
    /// # Errors
    /// Fails if there is an own key already, if the name is taken or is no name, or if the key cannot be written.
    pub fn generate(&self, name: &str) -> Result<PublicKey> {
        if let Some(own) = self.own()? {
            let message = format!("there is a key of yours already, `{}`", own.name);
            return Err(Error::new(ErrorKind::Key, message)
                .at(&self.folder)
                .with_help(format!(
                    "`key revoke {}` first, if it is to be replaced",
                    own.name
                )));
        }
        self.expect_unused(name)?;
        self.make_folder()?;
        let key = SigningKey::generate();
        // The secret one first: the own key is the one with a public file.
        self.write(name, "secret", 0o600, &key.to_pem())?;
        self.write(name, KeyStanding::Own.word(), 0o644, &key.public().to_pem())?;
        Ok(key.public())
    }

    /// Keeps the public key of somebody under this name; `pem` is the text of its PEM file.
    ///
    /// # Errors
    /// Fails if the name is taken by another key or is no name, if the key is known by another name, if `pem` is no public key, or if
    /// it cannot be written.
    pub fn trust(&self, name: &str, pem: &str) -> Result<PublicKey> {
        let key = PublicKey::from_pem(pem)?;
        if let Some(known) = self.list()?.into_iter().find(|known| known.key == key) {
            if known.name == name && known.standing == KeyStanding::Trusted {
                return Ok(key);
            }
            let message = format!(
                "that key is known here as `{}` ({})",
                known.name,
                known.standing.word()
            );
            let error = Error::new(ErrorKind::Key, message).at(&self.folder);
            return Err(match known.standing {
                KeyStanding::Revoked => error.with_help(format!(
                    "remove {} if it is to count again",
                    self.path(&known.name, known.standing.word()).display()
                )),
                _ => error,
            });
        }
        self.expect_unused(name)?;
        self.make_folder()?;
        self.write(name, KeyStanding::Trusted.word(), 0o644, &key.to_pem())?;
        Ok(key)
    }

    /// Lets nothing of a key count any more. An own key does not sign any more, and its secret key is removed.
    ///
    /// # Errors
    /// Fails if no key has this name or identifier, or if a system call fails.
    pub fn revoke(&self, name: &str) -> Result<KnownKey> {
        let known = self.named(name)?;
        let from = self.path(&known.name, known.standing.word());
        let to = self.path(&known.name, KeyStanding::Revoked.word());
        fs::rename(&from, &to).map_err(|error| Error::io("rename", &from, error))?;
        let secret = self.path(&known.name, "secret");
        match fs::remove_file(&secret) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &secret, error));
            }
            _ => {}
        }
        Ok(KnownKey {
            standing: KeyStanding::Revoked,
            ..known
        })
    }

    /// Returns the keys that have a name here: the own one, those of others, and those that were revoked.
    ///
    /// # Errors
    /// Fails if a file of a key cannot be read, or holds no key.
    pub fn list(&self) -> Result<Vec<KnownKey>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            entries => {
                entries.map_err(|error| Error::io("read the folder", &self.folder, error))?
            }
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(|error| Error::io("read the folder", &self.folder, error))?;
            let file = entry.file_name();
            let Some((name, ending)) = file.to_str().and_then(|file| file.rsplit_once('.')) else {
                continue;
            };
            let mut standings = KeyStanding::ALL.into_iter();
            let Some(standing) = standings.find(|standing| standing.word() == ending) else {
                continue;
            };
            let path = entry.path();
            let key = PublicKey::from_pem(&read(&path)?).map_err(|error| {
                Error::new(ErrorKind::Key, format!("{} holds no key", path.display()))
                    .because(error)
                    .at(&path)
                    .with_help("remove it, or write the public key into it again")
            })?;
            let name = name.to_owned();
            found.insert(
                (standing, name.clone()),
                KnownKey {
                    name,
                    key,
                    standing,
                },
            );
        }
        Ok(found.into_values().collect())
    }

    /// Returns the key with this name or identifier.
    ///
    /// # Errors
    /// Fails if there is none, or if the keys cannot be read.
    pub fn named(&self, name: &str) -> Result<KnownKey> {
        let all = self.list()?;
        let id = name.parse::<KeyId>().ok();
        let is_it = |known: &&KnownKey| known.name == name || id == Some(known.key.id());
        if let Some(known) = all.iter().find(is_it) {
            return Ok(known.clone());
        }
        let names: Vec<_> = all
            .iter()
            .map(|known| format!("`{}`", known.name))
            .collect();
        let known = match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        };
        let message = format!("no key has the name or the identifier `{name}`; known are: {known}");
        Err(Error::new(ErrorKind::Key, message)
            .at(&self.folder)
            .with_help("`key trust NAME FILE` gives the public key of somebody a name"))
    }

    /// Returns the own key, if there is one.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn own(&self) -> Result<Option<KnownKey>> {
        let mut all = self.list()?.into_iter();
        Ok(all.find(|known| known.standing == KeyStanding::Own))
    }

    /// Returns the key that signs, if there is one.
    pub(crate) fn signing(&self) -> Result<Option<SigningKey>> {
        let Some(own) = self.own()? else {
            return Ok(None);
        };
        let path = self.path(&own.name, "secret");
        let refused = |why: &str| {
            let message = format!("the secret key {} {why}", path.display());
            Error::new(ErrorKind::Key, message).at(&path)
        };
        let found = fs::metadata(&path).map_err(|error| Error::io("read", &path, error))?;
        if found.mode() & 0o077 != 0 {
            let help = format!("`chmod 600 {}`", path.display());
            return Err(refused("can be read by others").with_help(help));
        }
        let key = SigningKey::from_pem(&read(&path)?).filter(|key| key.public() == own.key);
        let help = format!("`key revoke {}`, and generate another", own.name);
        key.map(Some)
            .ok_or_else(|| refused("does not belong to its public key").with_help(help))
    }

    fn expect_unused(&self, name: &str) -> Result<()> {
        name.parse::<Name>()?;
        if name.parse::<KeyId>().is_ok() {
            let message =
                format!("`{name}` looks like the identifier of a key, and cannot be a name");
            return Err(Error::new(ErrorKind::Key, message));
        }
        match self.list()?.iter().find(|known| known.name == name) {
            None => Ok(()),
            Some(known) => {
                let message = format!("`{name}` is the name of the key {} here", known.key.id());
                Err(Error::new(ErrorKind::Key, message)
                    .at(&self.folder)
                    .with_help("choose another name"))
            }
        }
    }

    fn make_folder(&self) -> Result<()> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder);
        made.map_err(|error| Error::io("create the folder", &self.folder, error))
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ending}"))
    }

    fn write(&self, name: &str, ending: &str, mode: u32, text: &str) -> Result<()> {
        let path = self.path(name, ending);
        let mut options = OpenOptions::new();
        let written =
            (options.write(true).create_new(true).mode(mode).open(&path)).and_then(|mut file| {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
            });
        written.map_err(|error| Error::io("write", &path, error))
    }
}

/// Reads a file of a key.
fn read(path: &Path) -> Result<String> {
    let refused = |error| Error::io("read", path, error);
    if fs::metadata(path).map_err(refused)?.len() > LARGEST {
        return Err(refused(io::Error::other("it is too large for a key")));
    }
    fs::read_to_string(path).map_err(refused)
}

/// Whether there are no keys: who may not look, as a service with the home folder of another user, has none there either.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    )
}
