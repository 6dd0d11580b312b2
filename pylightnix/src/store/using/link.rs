//! Links outside of a store by which realizations are roots.

use rustix::fs::Access;
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::disk::durable::rename_new;
use crate::store::disk::system;
use crate::{Error, ErrorKind, Result};

/// What the names of roots by links begin with.
pub(in crate::store) const IN_LINKS: &str = "link-";

impl Store {
    /// Makes a symbolic link at `path` to the artifacts of a realization, and keeps these and all that they were made from
    /// as long as the link points there: removing the link is enough to let them go. A link of this store is replaced, in
    /// one step; anything else that is at `path` stays.
    ///
    /// # Errors
    /// A realization that is not in the store, something else at `path`, a path that is not UTF-8 or lies in the store, a
    /// refusal of the system.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = store.draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
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
        // While its derivation is in use, a root stays though its link is not there yet. Those that do not count are for
        // garbage collection to remove, which is alone: here, another process may be about to make the same link.
        self.name_in_use([rref.dref()])?;
        // The root comes before its link: whenever this ends, what the link points to is kept.
        self.write_root(&name, rref, &format!("{rref}\nlink {shown}\n"))?;
        let target = self.out_dir(rref);
        match there {
            There::Ours => self.replace(&path, &target)?,
            _ => place_new(&path, &target)?,
        }
        if let Some(folder) = path.parent() {
            // Should it be lost, the root goes as well: nothing is kept for ever by that.
            let _ = self.durability().sync_folder(folder);
        }
        Ok(())
    }

    /// That [`link`](Self::link) can make a link at `path` now: for asking before the hours that the result takes, and not
    /// after them.
    ///
    /// # Errors
    /// As [`link`](Self::link), as far as it is about `path`.
    pub fn check_link(&self, path: impl AsRef<Path>) -> Result<()> {
        let (path, _) = self.free_for_link(path.as_ref())?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| Error::io("make a link in", folder, error.into()))
    }

    /// Removes a link that [`link`](Self::link) made, so that its root does not count any more; `false` says that nothing
    /// is there.
    ///
    /// # Errors
    /// Something else at `path`, or a refusal of the system.
    pub fn unlink(&self, path: impl AsRef<Path>) -> Result<bool> {
        let path = self.settled(path.as_ref())?;
        match self.look_at_link(&path)? {
            There::Nothing => Ok(false),
            There::Others => Err(others(&path)),
            There::Ours => {
                let beside = beside(&path);
                fs::rename(&path, &beside).map_err(|error| Error::io("remove", &path, error))?;
                self.remove_ours(&path, &beside, || rename_new(&beside, &path).map(drop))?;
                Ok(true)
            }
        }
    }

    /// Replaces the link at `path`, unless it is none of this store any more.
    fn replace(&self, path: &Path, target: &Path) -> Result<()> {
        let beside = beside(path);
        place_new(&beside, target)?;
        let exchange = || system::exchange(&beside, path);
        let refused = |error: Errno| Error::io("replace the link", path, error.into());
        match exchange() {
            Ok(()) => self.remove_ours(path, &beside, || match exchange() {
                Ok(()) => self.remove_ours(path, &beside, || Ok(())),
                Err(Errno::NOENT) => rename_new(&beside, path).map(drop),
                Err(error) => Err(refused(error)),
            }),
            Err(error) => {
                let done = match error {
                    // A file system that cannot exchange.
                    Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => fs::rename(&beside, path)
                        .map_err(|error| Error::io("replace the link", path, error)),
                    // It was removed meanwhile.
                    Errno::NOENT => match rename_new(&beside, path) {
                        Ok(true) => Ok(()),
                        Ok(false) => Err(others(path)),
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

    /// Removes what was taken from `path` to `beside`, or, if somebody put something else there since it was looked at,
    /// has it put back.
    fn remove_ours(
        &self,
        path: &Path,
        beside: &Path,
        put_back: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        match self.look_at_link(beside) {
            Ok(There::Ours) => {
                fs::remove_file(beside).map_err(|error| Error::io("remove", beside, error))
            }
            Ok(There::Nothing) => Ok(()),
            Ok(There::Others) => put_back().and(Err(others(path))),
            Err(error) => put_back().and(Err(error)),
        }
    }

    /// Makes a link at `path` to something in the store, in the place of nothing or of another link of this store.
    pub(in crate::store) fn place_link(&self, path: &Path, target: &Path) -> Result<()> {
        let path = self.settled(path)?;
        match self.look_at_link(&path)? {
            There::Nothing => place_new(&path, target),
            There::Ours => self.replace(&path, target),
            There::Others => Err(others(&path)),
        }
    }

    /// Where a link is to be, and what is there: nothing, or a link of this store.
    fn free_for_link(&self, path: &Path) -> Result<(PathBuf, There)> {
        let path = self.settled(path)?;
        match self.look_at_link(&path)? {
            There::Others => Err(others(&path)),
            there => Ok((path, there)),
        }
    }

    /// The path from the root of the file system on, by which a link is known wherever this process is.
    fn settled(&self, path: &Path) -> Result<PathBuf> {
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
            return Err(refused("it lies in the store").help("links are for outside of it"));
        }
        let path = folder.join(name);
        utf8(&path)?;
        Ok(path)
    }

    fn look_at_link(&self, path: &Path) -> Result<There> {
        let look = |error| Error::io("look at", path, error);
        let target = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
            Err(error) => return Err(look(error)),
            Ok(found) if found.is_symlink() => Some(fs::read_link(path).map_err(look)?),
            Ok(_) => None,
        };
        if target.is_some_and(|target| target.starts_with(self.layout().objects())) {
            return Ok(There::Ours);
        }
        Ok(There::Others)
    }
}

/// What is where a link shall be.
enum There {
    Nothing,
    Ours,
    Others,
}

fn others(path: &Path) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{} exists and is not a link of this store", path.display()),
    )
    .at(path)
    .help("move it away, or give the link another name")
}

/// Where a link points.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Pointing {
    /// To the artifacts of the realization.
    There,
    /// Somewhere else, or there is no such link.
    Elsewhere,
    /// That cannot be found out now: its file system is away, say. So it counts.
    Unknown,
}

/// Whether the link at `path` points to the artifacts of `rref`.
pub(in crate::store) fn pointing(store: &Store, path: &Path, rref: &RRefId) -> Pointing {
    let out = store.out_dir(rref);
    match fs::read_link(path) {
        Ok(target) if target == out => Pointing::There,
        // The store may be known by another path: then it is the folder that counts.
        Ok(_) => match (fs::metadata(path), fs::metadata(&out)) {
            (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()) => Pointing::There,
            _ => Pointing::Elsewhere,
        },
        Err(error) => match error.kind() {
            // A folder that is away may come back with its link: a disk that is not mounted, say.
            io::ErrorKind::NotFound if path.parent().is_some_and(|folder| !folder.exists()) => {
                Pointing::Unknown
            }
            // Not a link any more, or nothing.
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput => Pointing::Elsewhere,
            _ => Pointing::Unknown,
        },
    }
}

fn place_new(path: &Path, target: &Path) -> Result<()> {
    match symlink(target, path) {
        Ok(()) => Ok(()),
        Err(error) => Err(Error::io("create the link", path, error)),
    }
}

/// A free name in the same folder.
fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}", Uuid::now_v7()))
}

/// A root's name says which link it is by, and what it keeps: one for each thing that a link ever pointed to.
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

/// Sixteen digits that stand for these bytes.
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
