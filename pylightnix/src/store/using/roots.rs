//! What garbage collection keeps because somebody said so: the files in `roots/`.
//!
//! `roots/<name>` has the reference of a realization in its first line. One that stands for a link outside has the link's
//! path, as a JSON string, in a second line `link "<path>"`; it counts as long as the link points to the realization. One that
//! a run of a program made has a second line `run {..}`, which says whose run of which program and target that was.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{DRefId, RRefId, list_names, nearest_first};
use crate::store::Store;
use crate::store::disk::layout::RECORD;
use crate::store::disk::regular;
use crate::store::disk::there::is_there;
use crate::store::object::build_record::user;
use crate::store::object::realization::missing;
use crate::store::using::link::short;
use crate::store::using::link::{IN_LINKS, Pointing, pointing};
use crate::{Error, ErrorKind, Result, as_text};

/// What the names of roots that runs made begin with.
const IN_RUNS: &str = "of-run-";

/// Whose run of what made a root: the command line keeps what a target of a program is, for each user and derivation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RootRun {
    /// Who ran it.
    pub user: String,
    /// The name of the program.
    pub program: String,
    /// The target, as the command line names it; empty if it needs no name.
    pub target: String,
}

impl RootRun {
    /// A run by the user of this process.
    pub fn new(program: impl Into<String>, target: impl Into<String>) -> Self {
        RootRun {
            user: user(),
            program: program.into(),
            target: target.into(),
        }
    }
}

impl fmt::Display for RootRun {
    /// `a run of experiment mean by anna`, as the command line has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a run of {}", self.program)?;
        if !self.target.is_empty() {
            write!(f, " {}", self.target)?;
        }
        write!(f, " by {}", self.user)
    }
}

/// What a target of a run is now: see [`Store::keep_results`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetResults {
    /// Whose target it is.
    pub run: RootRun,
    /// The stage that is asked for.
    pub dref: DRefId,
    /// What was chosen of it.
    pub rrefs: Vec<RRefId>,
}

impl TargetResults {
    /// These were chosen of the stage `dref`.
    pub fn new(run: RootRun, dref: DRefId, rrefs: impl IntoIterator<Item = RRefId>) -> Self {
        TargetResults {
            run,
            dref,
            rrefs: rrefs.into_iter().collect(),
        }
    }
}

/// Something that garbage collection keeps, with all that it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// When its file was written: since then it keeps this realization.
    #[serde(serialize_with = "as_text::time")]
    pub since: Timestamp,
    /// The run that made it, if one did.
    pub run: Option<RootRun>,
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

    /// Keeps what the targets of a run are now, in place of what they were before. Nothing is written for what is kept
    /// already. What is new is kept before anything old is let go, and only what was there before is let go: whatever
    /// happens meanwhile, one of them stays.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// use pylightnix::store::{RootRun, TargetResults};
    /// # #[derive(Config)] pub struct Train { layers: u32 }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open_at(folder.path().join("store"))?;
    /// let plan = instantiate(Train::new(3))?;
    /// let model = store.realize(&plan)?;
    /// let run = RootRun::new("experiment", "model");
    /// store.keep_results(&[TargetResults::new(run, plan.id().clone(), [model.id().clone()])])?;
    /// assert_eq!(&store.roots()?[0].rref, model.id());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A realization that is not in the store, or a refusal of the system.
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
            let _entered = self.manager().enter()?;
            for name in ended {
                self.delete_root(name)?;
            }
        }
        Ok(())
    }

    /// The root of this name.
    ///
    /// # Errors
    /// There is none ([`ErrorKind::Missing`]): the error names those that are called like it. A name that cannot be a root's, a
    /// file that is no root, or a refusal of the system.
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
                .help(format!("{there}; `roots` lists them")),
        )
    }

    /// Ends keeping what the root of this name keeps; `false` says that there was none. A root by a link outside ends when its
    /// link goes; this ends it, too, if the folder of that link is gone for good. One
    /// that a run made ends here as well.
    ///
    /// # Errors
    /// A name that cannot be a root's, or a refusal of the system.
    pub fn remove_root(&self, name: &str) -> Result<bool> {
        check_characters(name)?;
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
    pub(in crate::store) fn root_names(&self) -> Result<Vec<String>> {
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
            Some(link) => pointing(self, link, &rref) != Pointing::Elsewhere,
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

    /// Makes or replaces a root's file, in one step.
    pub(in crate::store) fn write_root(&self, name: &str, rref: &RRefId, text: &str) -> Result<()> {
        // Before anybody is told that it is kept.
        self.settle_one(rref.dref())?;
        let draft = self.manager().temporary()?;
        let roots = self.layout().roots();
        let target = roots.join(name);
        let entered = self.manager().enter()?;
        // With garbage collection out, what is there now stays.
        let folder = self.realization_dir(rref);
        if !is_there(&folder.join(RECORD))? {
            return Err(missing(rref, &folder));
        }
        self.manager().say_root_is_written(&entered, name)?;
        self.durability()
            .replace_file(&draft, &target, text.as_bytes())?;
        self.durability().sync_folder(&roots)
    }

    /// Deletes a root's file. The caller has entered.
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

/// What a root's file says.
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

fn check_characters(name: &str) -> Result<()> {
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
    .help(format!(
        "a name is 1 to 200 of a-z, A-Z, 0-9, `_`, `-` and `.`, not beginning with a dot, nor with `{IN_LINKS}` or \
         `{IN_RUNS}`, which roots by links and by runs begin with"
    ))
}

/// Garbage collection cannot tell what it should keep, so that this is an error and not passed over.
fn not_a_root(path: &Path) -> Error {
    Error::new(
        ErrorKind::Store,
        format!(
            "{} is not a root: its first line is not a reference",
            path.display()
        ),
    )
    .at(path)
    .help("if nothing has to be kept for it, remove that file")
}
