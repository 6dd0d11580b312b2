//! Importing a Python store.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::contexts::PythonContext;
use super::hash::Fit;
use super::read::{PythonRealization, PythonStore, refused};
use super::report::{Imported, ImportedRealization, LeftOut};
use super::tree::PythonTree;
use crate::config::{ConfigJson, RRefId};
use crate::store::Store;
use crate::store::disk::there::is_there;
use crate::store::disk::unsynced::Unsynced;
use crate::store::object::build_record::{BuildKind, BuildRecord};
use crate::store::object::context::Context;
use crate::store::object::python_origin::PythonOrigin;
use crate::store::object::record::{Record, reference};
use crate::store::object::violation::lacking_in;
use crate::store::publish::install::{add_builds, install};
use crate::store::publish::staging::{Staging, stage_from};
use crate::store::publish::whole::expect_whole_at_a_glance;
use crate::{Error, Result};

/// An import from a Python store, with its options.
///
/// ```no_run
/// use pylightnix::store::Store;
/// use pylightnix::store::python::{Import, PythonStore};
///
/// let store = Store::open("_store")?;
/// let python = PythonStore::open("/home/you/_pylightnix")?;
/// let imported = Import::new(&store).run(&python)?;
/// for one in &imported.left_out {
///     eprintln!("{}", one.error);
/// }
/// # Ok::<(), pylightnix::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `run` is called"]
pub struct Import<'a> {
    store: &'a Store,
    trusts: bool,
}

impl<'a> Import<'a> {
    /// Prepares to import into `store`.
    pub fn new(store: &'a Store) -> Self {
        Import {
            store,
            trusts: false,
        }
    }

    /// Takes also realizations whose hash cannot be checked, because a folder of theirs holds too many folders: Python hashes
    /// those in the order in which the file system listed them, which is written nowhere. One whose hash is known to differ is
    /// never taken.
    pub fn trust_unchecked(mut self) -> Self {
        self.trusts = true;
        self
    }

    /// Returns what [`run`](Self::run) would bring, and writes nothing.
    ///
    /// # Errors
    /// Fails if one of the stores cannot be read.
    pub fn plan(&self, from: &PythonStore) -> Result<Imported> {
        Importing::new(Some(self.store), false, self.trusts, from).all()
    }

    /// Brings all realizations of a Python store into the store, each with its dependencies, its context, its times and, if it
    /// is a failure, its text. Realizations that are there already stay as they are, so importing twice makes nothing new.
    ///
    /// It is not known which code made them: they count in a run when they are [accepted](crate::realize::Realize::accept), or
    /// with [`trust_unknown`](crate::realize::Realize::trust_unknown). What cannot be imported is listed in the result, with
    /// the reason, and so is what was made from it; all else comes.
    ///
    /// # Errors
    /// Fails if the Python store cannot be listed, or if this store cannot be written. What came until then stays.
    pub fn run(&self, from: &PythonStore) -> Result<Imported> {
        Importing::new(Some(self.store), true, self.trusts, from).all()
    }
}

impl PythonStore {
    /// Checks every hash, and returns what an import into an empty store would bring, with
    /// [`trust_unchecked`](Import::trust_unchecked) or without.
    ///
    /// # Errors
    /// Fails if the store cannot be listed.
    pub fn check(&self, trust_unchecked: bool) -> Result<Imported> {
        Importing::new(None, false, trust_unchecked, self).all()
    }
}

/// An import that is under way.
struct Importing<'a> {
    /// Where to; `None` for one that is empty.
    store: Option<&'a Store>,
    writes: bool,
    trusts: bool,
    from: &'a PythonStore,
    done: Imported,
    /// What became of each realization, with its context there.
    came: HashMap<RRefId, (RRefId, Arc<PythonContext>)>,
    left: HashSet<RRefId>,
}

/// A realization that can be imported.
struct Ready<'a> {
    config: &'a ConfigJson,
    there: &'a PythonRealization,
    tree: PythonTree,
    context: Context,
    record: Record,
    text: String,
    rref: RRefId,
    is_checked: bool,
}

impl<'a> Importing<'a> {
    fn new(store: Option<&'a Store>, writes: bool, trusts: bool, from: &'a PythonStore) -> Self {
        Importing {
            store,
            writes,
            trusts,
            from,
            done: Imported {
                realizations: Vec::new(),
                left_out: Vec::new(),
            },
            came: HashMap::new(),
            left: HashSet::new(),
        }
    }

    fn all(mut self) -> Result<Imported> {
        let derivations = self.from.derivations(&mut self.done.left_out)?;
        self.left = (self.done.left_out.iter())
            .filter_map(|left| left.name.parse().ok())
            .collect();
        if let (Some(store), true) = (self.store, self.writes) {
            // Before looking at what is there, to protect it from garbage collection until its dependents are published.
            store.record_in_use(derivations.iter().map(|one| one.config.id()))?;
        }
        let mut order: Vec<(&ConfigJson, &PythonRealization)> = (derivations.iter())
            .flat_map(|one| one.realizations.iter().map(|there| (&one.config, there)))
            .collect();
        // A context holds all that is below, so that of a dependent is the larger one.
        order.sort_by_key(|(_, there)| (there.context.len(), there.rref.clone()));
        for (config, there) in order {
            match self.one(config, there) {
                Ok(one) => self.done.realizations.push(one),
                Err(error) if self.is_of_this_store(&error) => return Err(error),
                Err(error) => {
                    self.left.insert(there.rref.clone());
                    self.done.left_out.push(LeftOut {
                        name: there.rref.to_string(),
                        error,
                    });
                }
            }
        }
        Ok(self.done)
    }

    /// Whether an error concerns the store that is imported into, so that the others cannot come either.
    fn is_of_this_store(&self, error: &Error) -> bool {
        let place = self.store.map(Store::root);
        let path = error.path();
        place.zip(path).is_some_and(|(place, path)| {
            // An archive is unpacked into the store.
            path.starts_with(place) && !path.starts_with(&self.from.objects)
        })
    }

    fn one(
        &mut self,
        config: &ConfigJson,
        there: &PythonRealization,
    ) -> Result<ImportedRealization> {
        let ready = self.ready(config, there)?;
        let is_new = match self.store {
            Some(store) => self.bring(store, &ready)?,
            None => true,
        };
        let context = Arc::new(there.context.clone());
        self.came
            .insert(there.rref.clone(), (ready.rref.clone(), context));
        Ok(ImportedRealization {
            python: there.rref.clone(),
            rref: ready.rref,
            is_new,
            is_checked: ready.is_checked,
        })
    }

    /// Checks a realization, and says what it is here.
    fn ready<'r>(&self, config: &'r ConfigJson, there: &'r PythonRealization) -> Result<Ready<'r>> {
        let rref = &there.rref;
        let context = self.context(config, there)?;
        let tree = PythonTree::read(&there.folder)?;
        let is_checked = match tree.hashed()?.fit(rref.hash())? {
            Fit::Fits => true,
            Fit::Differs => {
                let why = "its files do not have the hash in its name: they were changed after it was made";
                return Err(refused(rref, why).at(&there.folder));
            }
            Fit::Unknown if self.trusts => false,
            Fit::Unknown => {
                let why = "its hash cannot be checked: it depends on the order in which the file system of its machine listed the \
                           folders in it, and they are too many to try";
                return Err(refused(rref, why)
                    .at(&there.folder)
                    .with_help("`trust_unchecked()` takes it as it is"));
            }
        };
        let manifest = tree.manifest()?;
        let outcome = tree.outcome();
        let record = Record::new(*config.digest(), context.clone(), outcome, manifest);
        if let Some(lack) = lacking_in(config, &record).first() {
            let why = format!("{} {lack}", there.folder.join(&lack.path).display());
            return Err(refused(rref, &why).at(&there.folder));
        }
        let text = record.to_text();
        Ok(Ready {
            rref: reference(config.id(), &text),
            config,
            there,
            tree,
            context,
            record,
            text,
            is_checked,
        })
    }

    /// Returns the context here: what became of the direct dependencies.
    fn context(&self, config: &ConfigJson, there: &PythonRealization) -> Result<Context> {
        let rref = &there.rref;
        if let Some(misfit) = there.context.misfit(config) {
            return Err(refused(rref, &format!("it {misfit}")));
        }
        let mut made_from = Vec::new();
        for dep in config
            .deps()
            .iter()
            .flat_map(|dref| there.context.get(dref))
        {
            match self.came.get(dep) {
                Some((here, context)) => made_from.push((dep, here, context)),
                None if self.left.contains(dep) => {
                    let why = format!("it was made from {dep}, which is left out");
                    return Err(refused(rref, &why));
                }
                None => {
                    let why = format!("it was made from {dep}, which is not in that store");
                    return Err(refused(rref, &why));
                }
            }
        }
        let below = made_from.iter().map(|(dep, _, context)| (*dep, *context));
        if PythonContext::of(below).as_ref() != Some(&there.context) {
            let why = "its context is another one than that of what it was made from";
            return Err(refused(rref, why));
        }
        let here = made_from.into_iter().map(|(_, here, _)| here.clone());
        Ok(here.collect())
    }

    /// Publishes a realization, or adds to one that is there what it lacks. Returns whether it is new.
    fn bring(&self, store: &Store, ready: &Ready<'_>) -> Result<bool> {
        let rref = &ready.rref;
        let is_there = is_there(&store.realization_dir(rref))?;
        let records = match is_there {
            true => {
                expect_whole_at_a_glance(store, rref)?;
                missing(self.records(ready), &store.builds(rref)?)
            }
            false => self.records(ready),
        };
        if !self.writes || (is_there && records.is_empty()) {
            return Ok(!is_there);
        }
        let staging = Staging::new(store)?;
        let folder = staging.folder().join("realization");
        let durability = store.durability();
        if is_there {
            std::fs::create_dir(&folder)
                .map_err(|error| Error::io("create the folder", &folder, error))?;
        } else {
            let sources = |path: &str| vec![ready.tree.source(path)];
            let lacking = stage_from(&ready.record, &folder, durability, &|entry, _| {
                sources(&entry.path)
            })?;
            let faults = lacking.into_values().flat_map(|file| file.faults);
            if let Some(why) = faults.min() {
                return Err(refused(&ready.there.rref, &why).at(&ready.there.folder));
            }
        }
        for record in &records {
            durability.write_new(&folder.join(record.file_name()), &record.to_bytes()?)?;
        }
        durability.sync_folder(&folder)?;
        if is_there {
            add_builds(store, &folder, rref, &ready.text)?;
        } else {
            let unsynced = Unsynced::new(durability);
            let (config, context) = (ready.config, &ready.context);
            install(store, config, context, &folder, rref, &ready.text, unsynced)?;
        }
        Ok(!is_there)
    }

    /// Returns the records of an import: that of the build, if there are times, and that of the import.
    fn records(&self, ready: &Ready<'_>) -> Vec<BuildRecord> {
        let there = ready.there;
        let mut origin = PythonOrigin::of(&there.rref);
        origin.unchecked = !ready.is_checked;
        let mut import = BuildRecord::now(BuildKind::Import);
        import.commit = None;
        import.python = Some(PythonOrigin {
            store: Some(text(self.from.path())),
            ..origin.clone()
        });
        let build = there.times.as_ref().map(|times| {
            let mut build = BuildRecord::now(BuildKind::Build);
            build.id = origin.build_id(times.start.time);
            build.start = times.start.time;
            build.stop = times.stop.as_ref().unwrap_or(&times.start).time;
            (build.host, build.user) = (String::new(), String::new());
            build.command = Vec::new();
            build.commit = None;
            build.python = Some(PythonOrigin {
                start: Some(times.start.text.clone()),
                stop: times.stop.as_ref().map(|stop| stop.text.clone()),
                place: there.place,
                ..origin
            });
            build
        });
        build.into_iter().chain([import]).collect()
    }
}

/// Returns those of the records of an import that a realization lacks. What was exported from here is not told again as a build.
fn missing(records: Vec<BuildRecord>, there: &[BuildRecord]) -> Vec<BuildRecord> {
    let micros = |build: &BuildRecord| (build.start.as_microsecond(), build.stop.as_microsecond());
    let lacks = |record: &BuildRecord| {
        !there.iter().any(|build| {
            let (ours, theirs) = (&build.python, &record.python);
            let origin = |one: &Option<PythonOrigin>| one.as_ref().map(|one| one.rref.clone());
            let is_same = build.kind == record.kind && origin(ours) == origin(theirs);
            is_same
                || (record.kind == BuildKind::Build
                    && build.kind == BuildKind::Build
                    && micros(build) == micros(record))
        })
    };
    records.into_iter().filter(lacks).collect()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
