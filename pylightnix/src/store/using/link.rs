//! Symbolic links outside of the store that make realizations roots.

use rustix::fs::Access;
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::disk::durable::rename_new;
use crate::store::disk::system;
use crate::store::disk::target::unused_sibling;
use crate::{Error, ErrorKind, Result};

/// Name prefix of roots that belong to links.
pub(in crate::store) const IN_LINKS: &str = "link-";

impl Store {
    /// Creates a symbolic link at `path` to the artifacts of a realization, and makes the realization a root for as long as the
    /// link exists; removing the link is enough to release it. An existing link into this store is replaced atomically.
    /// Anything else at `path` is left alone.
    ///
    /// # Errors
    /// Fails if the realization is not in the store, if something other than a link into this store is at `path`, if `path` is
    /// not UTF-8 or lies inside of the store, or if a system call fails.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = store.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// let link = folder.path().join("result");
    /// store.link(&rref, &link)?;
    /// assert_eq!(std::fs::read_link(&link)?, store.out_dir(&rref));
    /// std::fs::remove_file(&link)?;
    /// assert!(!store.roots()?[0].counts);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn link(&self, rref: impl AsRef<RRefId>, path: impl AsRef<Path>) -> Result<()> {
        let rref = rref.as_ref();
        let (path, there) = self.free_for_link(path.as_ref())?;
        let name = root_name(&path, rref);
        let shown = serde_json::Value::from(utf8(&path)?);
        self.expect_files(rref)?;
        // A derivation in use protects the root until its link exists. Garbage collection removes roots without links under the
        // exclusive lock; this function must not remove any, as another process may be about to create the same link.
        self.record_in_use([rref.dref()])?;
        // The root comes before its link, so that the link's target is protected if this process is interrupted.
        self.write_root(&name, rref, &format!("{rref}\nlink {shown}\n"))?;
        let target = self.out_dir(rref);
        match there {
            Existing::OwnLink => self.replace(&path, &target)?,
            _ => create_link(&path, &target)?,
        }
        if let Some(folder) = path.parent() {
            // If a power cut loses the link, its root no longer counts, and nothing is kept forever.
            let _ = self.durability().sync_folder(folder);
        }
        Ok(())
    }

    /// Checks that [`link`](Self::link) could create a link at `path` now. Meant to be called before a long computation, not
    /// after it.
    ///
    /// # Errors
    /// As [`link`](Self::link), as far as `path` is concerned.
    pub fn check_link(&self, path: impl AsRef<Path>) -> Result<()> {
        let (path, _) = self.free_for_link(path.as_ref())?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| Error::io("make a link in", folder, error.into()))
    }

    /// Removes a link that [`link`](Self::link) created, so that its root no longer counts. Returns `false` if nothing is at
    /// `path`.
    ///
    /// # Errors
    /// Fails if something other than a link into this store is at `path`, or if a system call fails.
    pub fn unlink(&self, path: impl AsRef<Path>) -> Result<bool> {
        let path = self.link_path(path.as_ref())?;
        match self.probe_link(&path)? {
            Existing::Nothing => Ok(false),
            Existing::Other => Err(not_an_own_link(&path)),
            Existing::OwnLink => {
                let beside = unused_sibling(&path);
                fs::rename(&path, &beside).map_err(|error| Error::io("remove", &path, error))?;
                self.remove_own_link(&path, &beside, || rename_new(&beside, &path).map(drop))?;
                Ok(true)
            }
        }
    }

    /// Replaces the link at `path` atomically, unless it is no longer a link into this store.
    fn replace(&self, path: &Path, target: &Path) -> Result<()> {
        let beside = unused_sibling(path);
        create_link(&beside, target)?;
        let exchange = || system::exchange(&beside, path);
        let refused = |error: Errno| Error::io("replace the link", path, error.into());
        match exchange() {
            Ok(()) => self.remove_own_link(path, &beside, || match exchange() {
                Ok(()) => self.remove_own_link(path, &beside, || Ok(())),
                Err(Errno::NOENT) => rename_new(&beside, path).map(drop),
                Err(error) => Err(refused(error)),
            }),
            Err(error) => {
                let done = match error {
                    // The file system does not support `RENAME_EXCHANGE`.
                    Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => fs::rename(&beside, path)
                        .map_err(|error| Error::io("replace the link", path, error)),
                    // The link was removed in the meantime.
                    Errno::NOENT => match rename_new(&beside, path) {
                        Ok(true) => Ok(()),
                        Ok(false) => Err(not_an_own_link(path)),
                        Err(error) => Err(error),
                    },
                    error => Err(refused(error)),
                };
                if done.is_err() {
                    let _ = fs::remove_file(&beside);
                }
                done
            }
        }
    }

    /// Removes the link that was moved from `path` to `beside`. If it turns out to be something else, created since the check,
    /// calls `put_back`.
    fn remove_own_link(
        &self,
        path: &Path,
        beside: &Path,
        put_back: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        match self.probe_link(beside) {
            Ok(Existing::OwnLink) => {
                fs::remove_file(beside).map_err(|error| Error::io("remove", beside, error))
            }
            Ok(Existing::Nothing) => Ok(()),
            Ok(Existing::Other) => put_back().and(Err(not_an_own_link(path))),
            Err(error) => put_back().and(Err(error)),
        }
    }

    /// Creates a link at `path` into the store, replacing only a link into this store.
    pub(in crate::store) fn set_link(&self, path: &Path, target: &Path) -> Result<()> {
        let path = self.link_path(path)?;
        match self.probe_link(&path)? {
            Existing::Nothing => create_link(&path, target),
            Existing::OwnLink => self.replace(&path, target),
            Existing::Other => Err(not_an_own_link(&path)),
        }
    }

    /// Returns the normalized path for a link and what exists there. Fails if that must not be replaced.
    fn free_for_link(&self, path: &Path) -> Result<(PathBuf, Existing)> {
        let path = self.link_path(path)?;
        match self.probe_link(&path)? {
            Existing::Other => Err(not_an_own_link(&path)),
            there => Ok((path, there)),
        }
    }

    /// Returns the absolute path of a link with its folder resolved, which identifies the link in any process.
    fn link_path(&self, path: &Path) -> Result<PathBuf> {
        let refused = |why: &str| {
            let message = format!("{} cannot be a link: {why}", path.display());
            Error::new(ErrorKind::Store, message).at(path)
        };
        let Some(name) = path.file_name() else {
            return Err(refused("it has no name"));
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let look = |path: &Path| {
            fs::canonicalize(path).map_err(|error| Error::io("find the folder", path, error))
        };
        let folder = look(folder)?;
        if folder.starts_with(look(self.root())?) {
            return Err(
                refused("it lies in the store").with_help("choose a path outside of the store")
            );
        }
        let path = folder.join(name);
        utf8(&path)?;
        Ok(path)
    }

    fn probe_link(&self, path: &Path) -> Result<Existing> {
        let look = |error| Error::io("look at", path, error);
        let target = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Existing::Nothing),
            Err(error) => return Err(look(error)),
            Ok(found) if found.is_symlink() => Some(fs::read_link(path).map_err(look)?),
            Ok(_) => None,
        };
        if target.is_some_and(|target| target.starts_with(self.layout().objects())) {
            return Ok(Existing::OwnLink);
        }
        Ok(Existing::Other)
    }
}

/// What exists at the path of a link.
enum Existing {
    Nothing,
    OwnLink,
    Other,
}

fn not_an_own_link(path: &Path) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{} exists and is not a link of this store", path.display()),
    )
    .at(path)
    .with_help("move it away, or give the link another name")
}

/// What a root's link points to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum LinkState {
    /// The artifacts of the realization.
    Valid,
    /// Something else, or the link does not exist.
    Broken,
    /// Unknown at present, for example because its file system is not mounted. The root counts.
    Unknown,
}

/// Determines whether the link at `path` points to the artifacts of `rref`.
pub(in crate::store) fn link_state(store: &Store, path: &Path, rref: &RRefId) -> LinkState {
    let out = store.out_dir(rref);
    match fs::read_link(path) {
        Ok(target) if target == out => LinkState::Valid,
        // The store may have several paths, so compare the folders.
        Ok(_) => match (fs::metadata(path), fs::metadata(&out)) {
            (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()) => LinkState::Valid,
            _ => LinkState::Broken,
        },
        Err(error) => match error.kind() {
            // The link may come back with its folder, for example when a disk is mounted again.
            io::ErrorKind::NotFound if path.parent().is_some_and(|folder| !folder.exists()) => {
                LinkState::Unknown
            }
            // Not a link, or missing.
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput => LinkState::Broken,
            _ => LinkState::Unknown,
        },
    }
}

fn create_link(path: &Path, target: &Path) -> Result<()> {
    match symlink(target, path) {
        Ok(()) => Ok(()),
        Err(error) => Err(Error::io("create the link", path, error)),
    }
}

/// Returns the name of the root for a link and its target: one for each target that the link ever had.
fn root_name(path: &Path, rref: &RRefId) -> String {
    format!(
        "{}{}",
        root_prefix(path),
        short(rref.to_string().as_bytes())
    )
}

fn root_prefix(path: &Path) -> String {
    format!("{IN_LINKS}{}-", short(path.as_os_str().as_encoded_bytes()))
}

/// Returns the first 16 hex digits of the SHA-256.
pub(in crate::store) fn short(bytes: &[u8]) -> String {
    let mut hex = Digest::of(bytes).to_string();
    hex.truncate(16);
    hex
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        let message = format!("{} cannot be a link: its path is not UTF-8", path.display());
        Error::new(ErrorKind::Store, message).at(path)
    })
}
