//! Exporting realizations to Python.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::archive::ArchiveTo;
use super::contexts::PythonContext;
use super::exportable::{Exportable, WriteTo, refused};
use super::folder::FolderTo;
use super::hash::{Fit, Hashed, HashedFolder};
use super::names::{CONTEXT, FAILURE, GROUP, START, STATUS, STOP};
use super::report::{Exported, ExportedRealization, LeftOut};
use super::times;
use super::tree::link;
use crate::Result;
use crate::config::RRefId;
use crate::store::Store;
use crate::store::object::build_record::{BuildKind, BuildRecord};
use crate::store::object::clock::newest_first;
use crate::store::object::python_origin::PythonOrigin;
use crate::store::object::record::{Outcome, Record};
use crate::store::object::tree::EntryKind;
use crate::store::object::violation::lacking_in;
use crate::store::publish::copy::in_order;

/// An export to the Python package, with its options.
///
/// ```standalone_crate
/// use pylightnix::prelude::*;
/// use pylightnix::stages::node;
/// use pylightnix::store::python::{Export, Import, PythonStore};
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let at = |name: &str| folder.path().join(name);
/// let store = Store::open(at("store"))?;
/// let numbers = store.realize(&node::<Json<_>>("numbers", &[3, 5])?)?;
///
/// let exported = Export::new(&store).write([numbers.id()], at("python"))?;
/// assert_eq!(exported.realizations.len(), 1);
///
/// // And back, into another store: it is the same realization.
/// let other = Store::open(at("other"))?;
/// let imported = Import::new(&other).run(&PythonStore::open(at("python"))?)?;
/// assert_eq!(imported.realizations[0].rref, *numbers.id());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `write` is called"]
pub struct Export<'a> {
    store: &'a Store,
}

impl<'a> Export<'a> {
    /// Prepares to export from `store`.
    pub fn new(store: &'a Store) -> Self {
        Export { store }
    }

    /// Returns what [`write`](Self::write) would write, and writes nothing.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn plan<R: AsRef<RRefId>>(
        &self,
        roots: impl IntoIterator<Item = R>,
        to: impl AsRef<Path>,
    ) -> Result<Exported> {
        self.exported(roots, to.as_ref(), false)
    }

    /// Writes realizations, with everything that they were made from, into a store of the Python package: the folder `to`, which
    /// may be such a store, or be empty, or not exist. If the name `to` ends in `.zip`, writes an archive for `sunpack`, and
    /// replaces an earlier one.
    ///
    /// The package finds them there as its own, `realize` runs nothing, and builds on them. What has no form there is listed in
    /// the result, with the reason, and so is what was made from it; all else is written. What is there already stays.
    ///
    /// # Errors
    /// Fails if a realization is not in the store, if `to` holds other things, or if a system call fails.
    pub fn write<R: AsRef<RRefId>>(
        &self,
        roots: impl IntoIterator<Item = R>,
        to: impl AsRef<Path>,
    ) -> Result<Exported> {
        self.exported(roots, to.as_ref(), true)
    }

    fn exported<R: AsRef<RRefId>>(
        &self,
        roots: impl IntoIterator<Item = R>,
        to: &Path,
        writes: bool,
    ) -> Result<Exported> {
        let roots: Vec<RRefId> = roots
            .into_iter()
            .map(|root| root.as_ref().clone())
            .collect();
        let store = self.store;
        store.use_derivations(roots.iter().map(RRefId::dref))?;
        let order = in_order(store, &roots)?;
        let is_archive = to
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("zip"));
        let mut to: Box<dyn WriteTo> = match is_archive {
            true => Box::new(ArchiveTo::open(store, to, writes)?),
            false => Box::new(FolderTo::open(store, to, writes)?),
        };
        let mut exporting = Exporting {
            store,
            went: HashMap::new(),
            names: HashMap::new(),
            done: Exported {
                realizations: Vec::new(),
                left_out: Vec::new(),
            },
        };
        for rref in order {
            exporting.one(&rref, &mut *to)?;
        }
        to.finish()?;
        Ok(exporting.done)
    }
}

/// An export that is under way.
struct Exporting<'a> {
    store: &'a Store,
    /// What became of each realization, with its context there; `None` if it was left out.
    went: HashMap<RRefId, Option<(RRefId, Arc<PythonContext>)>>,
    /// Which realization has a name there.
    names: HashMap<RRefId, RRefId>,
    done: Exported,
}

impl Exporting<'_> {
    fn one(&mut self, rref: &RRefId, to: &mut dyn WriteTo) -> Result<()> {
        let written = self.exportable(rref).and_then(|exportable| {
            let is_new = to.realization(&exportable)?;
            Ok((exportable, is_new))
        });
        let (exportable, is_new) = match written {
            Ok(written) => written,
            Err(error) if to.is_broken_by(&error) => return Err(error),
            Err(error) => {
                self.went.insert(rref.clone(), None);
                self.done.left_out.push(LeftOut {
                    name: rref.to_string(),
                    error,
                });
                return Ok(());
            }
        };
        let python = exportable.python;
        let entries = exportable.record.manifest().entries();
        let is_flat = (entries.iter()).all(|entry| matches!(entry.kind, EntryKind::File { .. }));
        self.names.insert(python.clone(), rref.clone());
        let went = (python.clone(), exportable.context);
        self.went.insert(rref.clone(), Some(went));
        self.done.realizations.push(ExportedRealization {
            rref: rref.clone(),
            python,
            is_new,
            is_flat,
        });
        Ok(())
    }

    /// Finds the form that Python has for a realization.
    fn exportable<'r>(&self, rref: &'r RRefId) -> Result<Exportable<'r>>
    where
        Self: 'r,
    {
        let store = self.store;
        // Their files are what is written, and what Python's hash is of.
        if store.is_stub(rref)? {
            let why = "its files are not in this store: `pull` fetches them from a remote";
            return Err(refused(rref, why));
        }
        let record = store.record(rref)?;
        let config = store.config(rref.dref())?;
        if let Some(lack) = lacking_in(&config, &record).first() {
            return Err(refused(rref, &format!("its artifact {} {lack}", lack.path)));
        }
        let context = Arc::new(self.context(rref, &record)?);
        expect_free_names(rref, &record)?;
        expect_lasting_links(store, rref, &record)?;
        let builds = store.builds(rref)?;
        let (python, origin) = self.name(rref, &record, &context, &builds)?;
        if let Some(other) = self.names.get(&python) {
            let why = format!(
                "Python has one name for it and for {other}: they differ in names of files, in files whose names begin with `_`, \
                 in who may execute them, or in empty folders, which its hash passes over"
            );
            return Err(refused(rref, &why));
        }
        let mut notes = vec![(CONTEXT, context.text())];
        notes.extend(times_of(&builds, origin));
        Ok(Exportable {
            store,
            rref,
            config,
            record,
            python,
            context,
            notes,
        })
    }

    /// Returns the context there, with everything that is below.
    fn context(&self, rref: &RRefId, record: &Record) -> Result<PythonContext> {
        let mut made_from = Vec::new();
        for dep in record.head().context.realizations() {
            match self.went.get(dep) {
                Some(Some((python, context))) => made_from.push((python, context)),
                _ => {
                    let why = format!("it was made from {dep}, which is left out");
                    return Err(refused(rref, &why));
                }
            }
        }
        PythonContext::of(made_from.into_iter()).ok_or_else(|| {
            refused(
                rref,
                "what it was made from was made from different realizations of one derivation, and a context of Python has one list \
                 for each",
            )
        })
    }

    /// Returns the reference there: that from which it was imported, if it is the same there still, or else what follows from
    /// its files, with folders sorted.
    fn name<'b>(
        &self,
        rref: &RRefId,
        record: &Record,
        context: &PythonContext,
        builds: &'b [BuildRecord],
    ) -> Result<(RRefId, Option<&'b PythonOrigin>)> {
        let origins = builds.iter().filter_map(|build| build.python.as_ref());
        for origin in origins {
            if origin.rref.dref() != rref.dref() {
                continue;
            }
            let hashed = hashed(self.store, rref, record, context)?;
            if origin.unchecked || hashed.fit(origin.rref.hash())? == Fit::Fits {
                return Ok((origin.rref.clone(), Some(origin)));
            }
        }
        let hash = hashed(self.store, rref, record, context)?.hash()?;
        Ok((RRefId::new(hash, rref.dref().clone()), None))
    }
}

/// Returns what Python hashes of a realization, with its folders sorted.
fn hashed(
    store: &Store,
    rref: &RRefId,
    record: &Record,
    context: &PythonContext,
) -> Result<HashedFolder> {
    let out = store.out_dir(rref);
    let mut all = vec![(
        CONTEXT.to_owned(),
        Hashed::Bytes(context.text().into_bytes()),
    )];
    for entry in record.manifest().entries() {
        let at = out.join(&entry.path);
        let hashed = match &entry.kind {
            EntryKind::Dir => Hashed::Folder,
            EntryKind::File { .. } => Hashed::File(at),
            EntryKind::Link { target } => link(target, at)?,
        };
        let path = match entry.path == FAILURE && record.head().outcome == Outcome::Failed {
            true => STATUS,
            false => &entry.path,
        };
        all.push((path.to_owned(), hashed));
    }
    Ok(HashedFolder::of(all))
}

/// Refuses artifacts that Python would take for its own notes.
fn expect_free_names(rref: &RRefId, record: &Record) -> Result<()> {
    let is_failure = record.head().outcome == Outcome::Failed;
    for entry in record.manifest().entries() {
        let path = entry.path.as_str();
        if matches!(path, CONTEXT | GROUP | START | STOP | STATUS) {
            let why = format!("its artifact {path} has a name that the package keeps for itself");
            return Err(refused(rref, &why));
        }
        if is_failure && path == FAILURE && !matches!(entry.kind, EntryKind::File { .. }) {
            return Err(refused(rref, "the text of its failure is no file"));
        }
    }
    Ok(())
}

/// Refuses links to the text of a failure, which has another name there.
fn expect_lasting_links(store: &Store, rref: &RRefId, record: &Record) -> Result<()> {
    if record.head().outcome != Outcome::Failed {
        return Ok(());
    }
    let out = store.out_dir(rref);
    let real = |path: &Path| fs::canonicalize(path).ok();
    let failure = real(&out.join(FAILURE));
    for entry in record.manifest().entries() {
        let is_link = matches!(entry.kind, EntryKind::Link { .. });
        if is_link && failure.is_some() && real(&out.join(&entry.path)) == failure {
            let path = &entry.path;
            let why = format!(
                "its link {path} leads to the text of the failure, which is elsewhere there"
            );
            return Err(refused(rref, &why));
        }
    }
    Ok(())
}

/// Returns the files with the times of the newest build; as they were written there if it was made by Python.
fn times_of(builds: &[BuildRecord], origin: Option<&PythonOrigin>) -> Vec<(&'static str, String)> {
    let newest = newest_first(builds).find(|build| build.kind == BuildKind::Build);
    let Some(build) = newest else {
        return Vec::new();
    };
    if let Some(python) = &build.python
        && origin.is_some()
    {
        let times = [(START, &python.start), (STOP, &python.stop)];
        let there = times
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.clone()?)));
        return there.collect();
    }
    vec![
        (START, times::format(build.start)),
        (STOP, times::format(build.stop)),
    ]
}
