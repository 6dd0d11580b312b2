//! Roots: realizations that users protect from garbage collection, as files in `roots/`.
//!
//! The first line of `roots/<name>` is the reference of a realization. The root of a link has a second line `link "<path>"`
//! with the link's path as a JSON string; it counts while the link points to the realization. The root of a run has a second
//! line `run {..}` that identifies the user, the program and the target.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{DRefId, RRefId, list_names, nearest_first};
use crate::store::Store;
use crate::store::disk::entries::entries;
use crate::store::disk::regular;
use crate::store::object::build_record::user;
use crate::store::object::realization::missing;
use crate::store::using::link::short;
use crate::store::using::link::{IN_LINKS, LinkState, link_state};
use crate::{Error, ErrorKind, Result, as_text};

/// Name prefix of roots that runs created.
const IN_RUNS: &str = "of-run-";

/// The run that created a root. Runs of the command line keep the latest result of each target, for each user and derivation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RootRun {
    /// The user who ran the program.
    pub user: String,
    /// The name of the program.
    pub program: String,
    /// The name of the target on the command line; empty if it needs none.
    pub target: String,
}

impl RootRun {
    /// Returns a run by the current user.
    pub fn new(program: impl Into<String>, target: impl Into<String>) -> Self {
        RootRun {
            user: user(),
            program: program.into(),
            target: target.into(),
        }
    }
}

impl fmt::Display for RootRun {
    /// Formats the run as the command line shows it: `a run of experiment mean by anna`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a run of {}", self.program)?;
        if !self.target.is_empty() {
            write!(f, " {}", self.target)?;
        }
        write!(f, " by {}", self.user)
    }
}

/// The current results of a run's target; see [`Store::keep_results`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetResults {
    /// The run and its target.
    pub run: RootRun,
    /// The derivation of the target.
    pub dref: DRefId,
    /// The chosen realizations.
    pub rrefs: Vec<RRefId>,
}

impl TargetResults {
    /// Creates the results of a target: the realizations chosen for `dref`.
    pub fn new(run: RootRun, dref: DRefId, rrefs: impl IntoIterator<Item = RRefId>) -> Self {
        TargetResults {
            run,
            dref,
            rrefs: rrefs.into_iter().collect(),
        }
    }
}

/// A root: a realization that garbage collection keeps, with its dependencies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Root {
    /// The name of the root.
    pub name: String,
    /// The realization.
    pub rref: RRefId,
    /// The path of the symbolic link, if the root belongs to a link.
    pub link: Option<PathBuf>,
    /// Whether the root still counts. The root of a link counts while the link points to the realization or cannot be read, for
    /// example on an unmounted disk.
    pub counts: bool,
    /// When the file was written, and protection of this realization began.
    #[serde(serialize_with = "as_text::one")]
    pub since: Timestamp,
    /// The run that created the root, if any.
    pub run: Option<RootRun>,
}

impl Store {
    /// Makes a realization a root under a name, until the root is removed. An existing root with this name is changed to this
    /// realization.
    ///
    /// # Errors
    /// Fails if the realization is not in the store, if the name is invalid, or if a system call fails.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = store.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// store.add_root("best-so-far", &rref)?;
    /// assert_eq!(store.roots()?[0].rref, rref);
    /// assert!(store.remove_root("best-so-far")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_root(&self, name: &str, rref: impl AsRef<RRefId>) -> Result<()> {
        check_name(name)?;
        self.write_root(name, rref.as_ref(), &format!("{}\n", rref.as_ref()))
    }

    /// Makes the current results of a run's targets roots, in place of their previous results. Writes nothing for results that
    /// are roots already. Adds the new roots before it removes old ones, and removes only roots that existed at the start, so
    /// that concurrent runs never leave a target without roots.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// use pylightnix::store::{RootRun, TargetResults};
    /// # #[derive(Config)] pub struct Train { layers: u32 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let plan = instantiate(Train::new(3))?;
    /// let model = store.realize(&plan)?;
    /// let run = RootRun::new("experiment", "model");
    /// store.keep_results(&[TargetResults::new(run, plan.id().clone(), [model.id().clone()])])?;
    /// assert_eq!(&store.roots()?[0].rref, model.id());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if a realization is not in the store, or if a system call fails.
    pub fn keep_results(&self, targets: &[TargetResults]) -> Result<()> {
        let before: BTreeSet<String> = self.root_names()?.into_iter().collect();
        let mut now = BTreeSet::new();
        let mut ended = BTreeSet::new();
        for TargetResults { run, dref, rrefs } in targets {
            let shown = serde_json::json!(run).to_string();
            let prefix = format!("{IN_RUNS}{}-", short(format!("{shown}{dref}").as_bytes()));
            for rref in rrefs {
                let name = format!("{prefix}{}", short(rref.to_string().as_bytes()));
                if !before.contains(&name) && !now.contains(&name) {
                    self.write_root(&name, rref, &format!("{rref}\nrun {shown}\n"))?;
                }
                now.insert(name);
            }
            let old = before.range(prefix.clone()..);
            ended.extend(old.take_while(|name| name.starts_with(&prefix)));
        }
        let ended: Vec<_> = ended
            .into_iter()
            .filter(|name| !now.contains(*name))
            .collect();
        if !ended.is_empty() {
            let _shared = self.manager().lock_shared()?;
            for name in ended {
                self.delete_root(name)?;
            }
        }
        Ok(())
    }

    /// Returns the root with this name.
    ///
    /// # Errors
    /// Fails if there is none ([`ErrorKind::Missing`]); the message lists similar names. Also fails if the name or the file is
    /// invalid, or if a system call fails.
    pub fn root_named(&self, name: &str) -> Result<Root> {
        check_characters(name)?;
        if let Some(root) = self.read_root(name.to_owned())? {
            return Ok(root);
        }
        let names = self.root_names()?;
        let there = match names.is_empty() {
            true => "there are no roots".to_owned(),
            false => list_names(nearest_first(name, names.iter().map(String::as_str)).into_iter()),
        };
        Err(
            Error::new(ErrorKind::Missing, format!("there is no root {name:?}"))
                .with_help(format!("{there}; `roots` lists them")),
        )
    }

    /// Removes a root; returns `false` if there is none. Also removes the roots of runs and of links. A link's root normally
    /// ends with the link; removing it here is for links whose folder is gone for good.
    ///
    /// # Errors
    /// Fails if the name is invalid, or if a system call fails.
    pub fn remove_root(&self, name: &str) -> Result<bool> {
        check_characters(name)?;
        let _shared = self.manager().lock_shared()?;
        self.delete_root(name)
    }

    /// Returns all roots, sorted by name, including those that no longer count.
    ///
    /// # Errors
    /// Fails if a file in `roots/` is not a root, or if a system call fails.
    pub fn roots(&self) -> Result<Vec<Root>> {
        let mut names = self.root_names()?;
        names.sort_unstable();
        let mut roots = Vec::new();
        for name in names {
            roots.extend(self.read_root(name)?);
        }
        Ok(roots)
    }

    /// Returns the file names in `roots/`, except hidden ones.
    pub(in crate::store) fn root_names(&self) -> Result<Vec<String>> {
        let folder = self.layout().roots();
        let mut names = Vec::new();
        for entry in entries(&folder)? {
            let name = entry?.file_name();
            match name.into_string() {
                Ok(name) if name.starts_with('.') => {}
                Ok(name) => names.push(name),
                Err(name) => return Err(not_a_root(&folder.join(name))),
            }
        }
        Ok(names)
    }

    /// Reads a root; returns `None` if it does not exist.
    pub(in crate::store) fn read_root(&self, name: String) -> Result<Option<Root>> {
        let path = self.layout().roots().join(&name);
        let read = || -> io::Result<_> {
            let text = regular::read_to_string(&path)?;
            Ok((text, fs::metadata(&path)?.modified()?))
        };
        let (text, written) = match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(not_a_root(&path));
            }
            text => text.map_err(|error| Error::io("read", &path, error))?,
        };
        let Parsed { rref, link, run } = parse(&text).ok_or_else(|| not_a_root(&path))?;
        let counts = match &link {
            None => true,
            Some(link) => link_state(self, link, &rref) != LinkState::Broken,
        };
        Ok(Some(Root {
            name,
            rref,
            link,
            counts,
            since: Timestamp::try_from(written).unwrap_or(Timestamp::MIN),
            run,
        }))
    }

    /// Creates or atomically replaces a root's file.
    pub(in crate::store) fn write_root(&self, name: &str, rref: &RRefId, text: &str) -> Result<()> {
        // Durable before it is reported as kept.
        self.settle_one(rref.dref())?;
        let draft = self.manager().temporary()?;
        let roots = self.layout().roots();
        let target = roots.join(name);
        let shared = self.manager().lock_shared()?;
        // The shared lock excludes garbage collection, so an existing realization stays.
        if !self.is_known(rref)? {
            return Err(missing(rref, &self.realization_dir(rref)));
        }
        self.manager().announce_root(&shared, name)?;
        self.durability()
            .replace_file(&draft, &target, text.as_bytes())?;
        self.durability().sync_folder(&roots)
    }

    /// Deletes a root's file. The caller holds the shared lock.
    pub(in crate::store) fn delete_root(&self, name: &str) -> Result<bool> {
        let roots = self.layout().roots();
        let path = roots.join(name);
        match fs::remove_file(&path) {
            Ok(()) => self.durability().sync_folder(&roots).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("remove", &path, error)),
        }
    }
}

/// The parsed content of a root's file.
struct Parsed {
    rref: RRefId,
    link: Option<PathBuf>,
    run: Option<RootRun>,
}

fn parse(text: &str) -> Option<Parsed> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let mut parsed = Parsed {
        rref: lines.next()?.parse().ok()?,
        link: None,
        run: None,
    };
    if let Some(line) = lines.next() {
        if let Some(run) = line.strip_prefix("run ") {
            parsed.run = Some(serde_json::from_str(run).ok()?);
        } else {
            let path: String = serde_json::from_str(line.strip_prefix("link ")?).ok()?;
            parsed.link = Some(PathBuf::from(path));
        }
    }
    lines.next().is_none().then_some(parsed)
}

fn check_name(name: &str) -> Result<()> {
    check_characters(name)?;
    if !name.starts_with(IN_LINKS) && !name.starts_with(IN_RUNS) {
        return Ok(());
    }
    Err(no_name(name))
}

/// Checks the characters of the name of a root, here or at a remote.
pub(in crate::store) fn check_characters(name: &str) -> Result<()> {
    let fits = (1..=200).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if fits { Ok(()) } else { Err(no_name(name)) }
}

fn no_name(name: &str) -> Error {
    Error::new(
        ErrorKind::Store,
        format!("{name:?} cannot be the name of a root"),
    )
    .with_help(format!(
        "a name is 1 to 200 of a-z, A-Z, 0-9, `_`, `-` and `.`, not beginning with a dot, nor with `{IN_LINKS}` or \
         `{IN_RUNS}`, which roots by links and by runs begin with"
    ))
}

/// Returns the error for an invalid root. Garbage collection must not ignore it, as it may protect something.
fn not_a_root(path: &Path) -> Error {
    Error::new(
        ErrorKind::Store,
        format!(
            "{} is not a root: its first line is not a reference",
            path.display()
        ),
    )
    .at(path)
    .with_help("if nothing has to be kept for it, remove that file")
}
