//! What garbage collection keeps because somebody said so: the files in `roots/`.
//!
//! `roots/<name>` has the reference of a realization in its first line. One that stands for a link outside has the link's
//! path, as a JSON string, in a second line `link "<path>"`; it counts as long as the link points to the realization.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Store;
use super::layout::RECORD;
use super::link::{IN_LINKS, Pointing, pointing};
use super::realization::missing;
use super::regular;
use crate::config::RRefId;
use crate::{Error, ErrorKind, Result};

/// Something that garbage collection keeps, with all that it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Root {
    /// The name of its file.
    pub name: String,
    /// The realization.
    pub rref: RRefId,
    /// The link outside by which it is one, if it is by a link.
    pub link: Option<PathBuf>,
    /// Whether it still counts: a root by a link does as long as the link points to the realization, or cannot be read, as on a disk
    /// that is not mounted.
    pub counts: bool,
}

impl Store {
    /// Keeps a realization, and all that it was made from, under a name of its own, until that root is removed. A root of
    /// that name is moved to this realization.
    ///
    /// # Errors
    /// A realization that is not in the store, a name that cannot be a root's, a refusal of the system.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = store.draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// store.add_root("best-so-far", &rref)?;
    /// assert_eq!(store.roots()?[0].rref, rref);
    /// assert!(store.remove_root("best-so-far")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_root(&self, name: &str, rref: impl AsRef<RRefId>) -> Result<()> {
        check_name(name)?;
        self.write_root(name, rref.as_ref(), &format!("{}\n", rref.as_ref()))
    }

    /// Ends keeping what the root of this name keeps; `false` says that there was none. A root by a link outside ends when its
    /// link goes; this ends it, too, if the folder of that link is gone for good.
    ///
    /// # Errors
    /// A name that cannot be a root's, or a refusal of the system.
    pub fn remove_root(&self, name: &str) -> Result<bool> {
        if !name.starts_with(IN_LINKS) || name.contains('/') {
            check_name(name)?;
        }
        let _entered = self.manager().enter()?;
        self.delete_root(name)
    }

    /// All roots, sorted by name, those included that do not count any more.
    ///
    /// # Errors
    /// A file that is no root, or a refusal of the system.
    pub fn roots(&self) -> Result<Vec<Root>> {
        let mut names = self.root_names()?;
        names.sort_unstable();
        let mut roots = Vec::new();
        for name in names {
            roots.extend(self.read_root(name)?);
        }
        Ok(roots)
    }

    /// The names of the files in `roots/`. Those that begin with a dot are nobody's.
    pub(super) fn root_names(&self) -> Result<Vec<String>> {
        let folder = self.layout().roots();
        let refused = |error| Error::io("read the folder", &folder, error);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(refused)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(refused)?.file_name();
            match name.into_string() {
                Ok(name) if name.starts_with('.') => {}
                Ok(name) => names.push(name),
                Err(name) => return Err(not_a_root(&folder.join(name))),
            }
        }
        Ok(names)
    }

    /// One root, unless it is gone.
    pub(super) fn read_root(&self, name: String) -> Result<Option<Root>> {
        let path = self.layout().roots().join(&name);
        let text = match regular::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(not_a_root(&path));
            }
            text => text.map_err(|error| Error::io("read", &path, error))?,
        };
        let (rref, link) = parse(&text).ok_or_else(|| not_a_root(&path))?;
        let counts = match &link {
            None => true,
            Some(link) => pointing(self, link, &rref) != Pointing::Elsewhere,
        };
        Ok(Some(Root {
            name,
            rref,
            link,
            counts,
        }))
    }

    /// Makes or replaces a root's file, in one step.
    pub(super) fn write_root(&self, name: &str, rref: &RRefId, text: &str) -> Result<()> {
        // Before anybody is told that it is kept.
        self.settle_one(rref.dref())?;
        let draft = self.manager().temporary()?;
        let roots = self.layout().roots();
        let target = roots.join(name);
        let entered = self.manager().enter()?;
        // With garbage collection out, what is there now stays.
        let folder = self.realization_dir(rref);
        if !folder.join(RECORD).exists() {
            return Err(missing(rref, &folder));
        }
        self.manager().say_root_is_written(&entered, name)?;
        let done = self
            .durability()
            .write_new(&draft, text.as_bytes())
            .and_then(|()| {
                fs::rename(&draft, &target).map_err(|error| Error::io("write", &target, error))
            });
        if done.is_err() {
            let _ = fs::remove_file(&draft);
        }
        done.and_then(|()| self.durability().sync_folder(&roots))
    }

    /// Deletes a root's file. The caller has entered.
    pub(super) fn delete_root(&self, name: &str) -> Result<bool> {
        let roots = self.layout().roots();
        let path = roots.join(name);
        match fs::remove_file(&path) {
            Ok(()) => self.durability().sync_folder(&roots).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("remove", &path, error)),
        }
    }
}

fn parse(text: &str) -> Option<(RRefId, Option<PathBuf>)> {
    let mut lines = text.lines();
    let rref = lines.next()?.parse().ok()?;
    let link = match lines.next() {
        None => None,
        Some(line) => {
            let path: String = serde_json::from_str(line.strip_prefix("link ")?).ok()?;
            Some(PathBuf::from(path))
        }
    };
    (lines.next().is_none() && text.ends_with('\n')).then_some((rref, link))
}

fn check_name(name: &str) -> Result<()> {
    let fits = (1..=200).contains(&name.len())
        && !name.starts_with('.')
        && !name.starts_with(IN_LINKS)
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if fits {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Store,
        format!("{name:?} cannot be the name of a root"),
    )
    .help(format!(
        "a name is 1 to 200 of a-z, A-Z, 0-9, `_`, `-` and `.`, not beginning with a dot or with `{IN_LINKS}`, \
         which roots by links begin with: `unlink` removes those"
    )))
}

/// Garbage collection cannot tell what it should keep, so that this is an error and not passed over.
fn not_a_root(path: &Path) -> Error {
    Error::new(
        ErrorKind::Store,
        format!(
            "{} is not a root: its first line is no reference",
            path.display()
        ),
    )
    .at(path)
    .help("if nothing has to be kept for it, remove that file")
}
