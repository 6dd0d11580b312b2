//! Copying realizations between two stores on the same machine.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::config::{ConfigJson, DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::parallel;
use crate::store::disk::regular::open_regular;
use crate::store::disk::unsynced::Unsynced;
use crate::store::object::context::Context;
use crate::store::object::record::Record;
use crate::store::publish::complete::expect_complete;
use crate::store::publish::exportable::{Exportable, IncompleteBuilds};
use crate::store::publish::install::{add_builds, install};
use crate::store::publish::staging::{Staging, stage_from};
use crate::store::publish::whole::present;
use crate::{Error, ErrorKind, Result};

/// Buffer size for copying logs.
const BUFFER: usize = 64 << 10;

impl Store {
    /// Copies realizations, with their dependencies and all build records, from another store on this machine. Returns the
    /// references of all of them, dependencies first, including those that this store already has; these only gain missing
    /// build records. Marks of interrupted multi-run builds are copied as well, so that a run completes them here.
    ///
    /// Verifies the hash of every byte, also of realizations that this store already has. Shares blocks between the files where
    /// the file system supports reflinks, so that the copy uses no space. Never creates hard links, through which damage to one
    /// store would damage the other.
    ///
    /// # Errors
    /// Fails without changing this store if a realization is missing from the other store, is damaged in either store, or
    /// violates a rule of publication. Also fails if a system call fails.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # let folder = tempfile::tempdir()?;
    /// let laptop = Store::open(folder.path().join("laptop"))?;
    /// let shared = Store::open(folder.path().join("shared"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = laptop.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// shared.copy_from(&laptop, [&rref])?;
    /// assert!(shared.has(&rref)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_from<R: AsRef<RRefId>>(
        &self,
        other: &Store,
        roots: impl IntoIterator<Item = R>,
    ) -> Result<Vec<RRefId>> {
        let roots: Vec<RRefId> = (roots.into_iter())
            .map(|root| root.as_ref().clone())
            .collect();
        self.copy_but(other, &roots, &mut Err)
    }

    /// Copies all intact realizations of another store on this machine, and returns them with the errors for the others.
    /// Results of incomplete multi-run builds are copied with their marks.
    ///
    /// # Errors
    /// As [`copy_from`](Self::copy_from), for errors of this store and failed system calls.
    pub fn copy_every(&self, other: &Store) -> Result<(Vec<RRefId>, Vec<Error>)> {
        let mut exportable = Exportable::of(other, IncompleteBuilds::Taken)?;
        let rrefs = exportable.rrefs();
        let copied = self.copy_but(other, &rrefs, &mut |error| {
            exportable.left_out.push(error);
            Ok(())
        })?;
        Ok((copied, exportable.left_out))
    }

    /// Copies like [`copy_from`](Self::copy_from), but asks `leave_out` about each realization that cannot be copied. If it
    /// returns `Ok`, that realization and its dependents are left out.
    fn copy_but(
        &self,
        other: &Store,
        roots: &[RRefId],
        leave_out: &mut dyn FnMut(Error) -> Result<()>,
    ) -> Result<Vec<RRefId>> {
        other.use_derivations(roots.iter().map(RRefId::dref))?;
        let order = in_order(other, roots)?;
        other.fetch(&order)?;
        // Before looking at what is here, to protect it from garbage collection until its dependents are published.
        let drefs: BTreeSet<&DRefId> = order.iter().map(RRefId::dref).collect();
        self.record_in_use(drefs)?;
        let mut present = present(self, &order)?;
        let staging = Staging::new(self)?;
        // Stage and verify everything before publishing anything.
        let mut configs = BTreeMap::new();
        let (mut staged, mut left) = (Vec::new(), HashSet::new());
        for (at, rref) in order.into_iter().enumerate() {
            let folder = staging.folder().join(at.to_string());
            let copied = match present.damaged.remove(&rref) {
                Some(error) => Err(error),
                None => {
                    let is_here = present.whole.contains(&rref);
                    self.stage_one(other, &rref, is_here, &left, &mut configs, &folder)
                }
            };
            match copied {
                Ok((record, is_here)) => staged.push(Staged {
                    rref,
                    record,
                    is_here,
                    folder,
                }),
                // An error of the target store would affect the others as well.
                Err(error) if self.is_of_the_target(&error) => return Err(error),
                Err(error) => {
                    leave_out(error)?;
                    left.insert(rref);
                }
            }
        }
        let copied: Vec<RRefId> = staged.iter().map(|staged| staged.rref.clone()).collect();
        // Texts first: who finds a build record finds the code that it names.
        let mut fingerprints = BTreeSet::new();
        for rref in &copied {
            for build in other.builds(rref)? {
                fingerprints.extend(build.fingerprint.into_iter().chain(build.accepted));
            }
        }
        self.copy_code(other, &fingerprints)?;
        // Marks first, so that the results of an interrupted build are never taken for complete.
        self.copy_marks(other, &copied)?;
        for staged in staged {
            let text = staged.record.to_text();
            let (rref, folder) = (&staged.rref, &staged.folder);
            let config = &configs[rref.dref()];
            if staged.is_here {
                // A repair may have quarantined only the config.
                self.add_derivation(config)?;
                add_builds(self, folder, rref, &text)?;
            } else {
                let context = &staged.record.head().context;
                // Staging has already synced it.
                let none = Unsynced::new(self.durability());
                install(self, config, context, folder, rref, &text, none)?;
            }
        }
        Ok(copied)
    }

    /// Stages a realization in `folder` for publication; only its build records if it is here already.
    fn stage_one(
        &self,
        other: &Store,
        rref: &RRefId,
        is_here: bool,
        left: &HashSet<RRefId>,
        configs: &mut BTreeMap<DRefId, ConfigJson>,
        folder: &Path,
    ) -> Result<(Record, bool)> {
        let record = other.record(rref)?;
        let context = &record.head().context;
        let from_left = context.realizations().find(|dep| left.contains(*dep));
        if let Some(dep) = from_left {
            let message = format!("{rref} was made from {dep}, which is left out");
            return Err(Error::new(ErrorKind::Store, message));
        }
        let config = match configs.entry(rref.dref().clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(other.config(rref.dref())?),
        };
        if is_here {
            fs::create_dir(folder)
                .map_err(|error| Error::io("create the folder", folder, error))?;
        } else {
            check(rref, &record, config, other)?;
            self.stage_copy(other, rref, &record, folder)?;
        }
        self.stage_builds(other, rref, folder)?;
        Ok((record, is_here))
    }

    /// Whether an I/O error concerns this store rather than the one copied from.
    fn is_of_the_target(&self, error: &Error) -> bool {
        let is_here = error
            .path()
            .is_some_and(|path| path.starts_with(self.root()));
        error.kind() == ErrorKind::Io && is_here
    }

    fn stage_copy(
        &self,
        other: &Store,
        rref: &RRefId,
        record: &Record,
        folder: &Path,
    ) -> Result<()> {
        let out = other.out_dir(rref);
        let lacking = stage_from(record, folder, self.durability(), &|entry, _| {
            vec![out.join(&entry.path)]
        })?;
        let Some(path) = lacking.keys().min() else {
            return Ok(());
        };
        let path = out.join(path);
        let why = (lacking.into_values())
            .flat_map(|lacked| lacked.faults)
            .min()
            .unwrap_or_default();
        Err(Error::new(
            ErrorKind::Store,
            format!(
                "{rref} cannot be copied from {}: {why}",
                other.root().display()
            ),
        )
        .at(&path)
        .with_help("nothing was copied: `check` that store, and `repair` it"))
    }

    /// Copies build records, logs and signatures to `folder`.
    pub(in crate::store) fn stage_builds(
        &self,
        other: &Store,
        rref: &RRefId,
        folder: &Path,
    ) -> Result<()> {
        let from = other.realization_dir(rref);
        for build in other.all_records(rref)? {
            for name in [build.log_name(), build.file_name()] {
                copy_small(self, &from.join(&name), &folder.join(&name))?;
            }
        }
        for name in other.signature_files(rref)? {
            copy_small(self, &from.join(&name), &folder.join(&name))?;
        }
        self.durability().sync_folder(folder)
    }
}

/// A realization that is ready for publication.
struct Staged {
    rref: RRefId,
    record: Record,
    is_here: bool,
    folder: PathBuf,
}

/// Copies a build record or a log, if it exists.
pub(in crate::store) fn copy_small(store: &Store, from: &Path, to: &Path) -> Result<()> {
    let mut source = match open_regular(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        source => source.map_err(|error| Error::io("open", from, error))?.0,
    };
    let mut target = File::create_new(to).map_err(|error| Error::io("create", to, error))?;
    let mut bytes = vec![0; BUFFER];
    loop {
        let read = match source.read(&mut bytes) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::io("read", from, error)),
        };
        target
            .write_all(&bytes[..read])
            .map_err(|error| Error::io("write", to, error))?;
    }
    store.durability().sync(&target, to)
}

/// Checks a record as unpacking does.
fn check(rref: &RRefId, record: &Record, config: &ConfigJson, other: &Store) -> Result<()> {
    let refused = |why: String| {
        let message = format!(
            "{rref} cannot be copied from {}: {why}",
            other.root().display()
        );
        Error::new(ErrorKind::Store, message).at(&other.realization_dir(rref))
    };
    let head = record.head();
    if head.derivation != *config.digest() {
        return Err(refused("its record is of another derivation".to_owned()));
    }
    if let Some(misfit) = head.context.misfits(config).next() {
        return Err(refused(format!("it {misfit}")));
    }
    other.expect_files(rref)?;
    expect_complete(other, rref, config, record, "packed or copied")
}

/// Returns realizations with all their dependencies, dependencies first.
pub(in crate::store) fn in_order(store: &Store, roots: &[RRefId]) -> Result<Vec<RRefId>> {
    let mut order = Vec::new();
    let mut seen = HashSet::new();
    // Those that are known to be needed are read side by side.
    let contexts = parallel::map(roots, parallel::cores(), |_, root| {
        Ok((root.clone(), store.head(root)?.context))
    })?;
    let mut contexts: HashMap<RRefId, Context> = contexts.into_iter().collect();
    for root in roots {
        let mut path: Vec<(RRefId, Vec<RRefId>)> = Vec::new();
        let mut next = Some(root.clone());
        loop {
            if let Some(rref) = next.take()
                && seen.insert(rref.clone())
            {
                let context = match contexts.remove(&rref) {
                    Some(context) => context,
                    None => store.head(&rref)?.context,
                };
                path.push((rref, context.realizations().cloned().collect()));
            }
            let Some((_, deps)) = path.last_mut() else {
                break;
            };
            next = deps.pop();
            if next.is_none() {
                order.extend(path.pop().map(|(rref, _)| rref));
            }
        }
    }
    Ok(order)
}
