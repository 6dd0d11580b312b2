//! The steps of a repair.

use rustix::fs::CWD;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::quarantine::Quarantine;
use super::sources::{RepairSources, digests_below, find, inode, with_links_to};
use super::{Repair, RepairAction, RepairReport, Repaired, is_in_the_realization};
use crate::config::{DRefId, Digest, RRefId};
use crate::store::Store;
use crate::store::check::{CheckReport, Fault, FaultKind};
use crate::store::disk::below::open_file;
use crate::store::disk::durable::replace_folder;
use crate::store::disk::durable::touch;
use crate::store::disk::layout::CONFIG;
use crate::store::disk::regular;
use crate::store::disk::there::{is_absence, is_damage, is_there, tells_of_damage};
use crate::store::object::build_record::BuildRecord;
use crate::store::object::record::Record;
use crate::store::object::tree::EntryKind;
use crate::store::publish::install::add_builds;
use crate::store::publish::staging::{Staging, stage_from};
use crate::{Error, ErrorKind, Result};

impl Repair<'_> {
    pub(super) fn mend(self) -> Result<RepairReport> {
        self.store.expect_writable()?;
        let mut report = RepairReport {
            check: self.examine()?,
            ..RepairReport::default()
        };
        // Exclude removals: a repair would restore what is being removed.
        let _sweep = self.store.manager().lock_sweep(&mut || ())?;
        let mut quarantine = Quarantine::new(self.store.layout());
        let mut of_rrefs: BTreeMap<RRefId, Vec<Fault>> = BTreeMap::new();
        for fault in report.check.faults.clone() {
            match (&fault.kind, &fault.rref, &fault.dref) {
                (_, Some(rref), _) => of_rrefs.entry(rref.clone()).or_default().push(fault),
                (FaultKind::Config, None, Some(dref)) => {
                    let dref = dref.clone();
                    let done = self.mend_config(&dref, fault.clone(), &mut quarantine);
                    note(&mut report, vec![fault], done);
                }
                _ => report.left.push(fault),
            }
        }
        let sources = self.sources(&of_rrefs);
        let mut missing = Vec::new();
        for (rref, faults) in of_rrefs {
            let (contexts, faults): (Vec<Fault>, Vec<Fault>) =
                (faults.into_iter()).partition(|fault| fault.kind == FaultKind::Context);
            missing.extend(contexts.into_iter().map(|fault| (rref.clone(), fault)));
            self.mend_realization(&rref, faults, &sources, &mut quarantine, &mut report);
        }
        // Last, as missing dependencies are copied with their own dependencies, which must be intact here by then.
        for (rref, fault) in missing {
            let done = self.mend_context(&rref);
            note(&mut report, vec![fault], done);
        }
        if !report.check.faults.is_empty() {
            // What was read of damaged files may be kept.
            let _ = fs::remove_dir_all(self.store.layout().pages());
        }
        quarantine.write_report(&report.to_string());
        Ok(report)
    }

    /// Checks what is to be repaired, and the realizations that share a damaged file with it.
    fn examine(&self) -> Result<CheckReport> {
        let check = self.store.check().contents();
        let Some(only) = &self.only else {
            return check.run();
        };
        let mut named = only.clone();
        let mut report = check.only(&named).run()?;
        loop {
            let damaged = self.damaged_links(&report.faults);
            if damaged.is_empty() {
                return Ok(report);
            }
            let known = named.len();
            named.extend(with_links_to(self.store, &damaged)?);
            if named.len() == known {
                return Ok(report);
            }
            report = self.store.check().contents().only(&named).run()?;
        }
    }

    /// Returns the damaged files with several hard links, by device and inode, with the digests that they should have.
    fn damaged_links(&self, faults: &[Fault]) -> HashMap<Digest, HashSet<(u64, u64)>> {
        let mut damaged: HashMap<Digest, HashSet<(u64, u64)>> = HashMap::new();
        for fault in faults
            .iter()
            .filter(|fault| fault.kind == FaultKind::Artifact)
        {
            if let Some(rref) = &fault.rref
                && let Some(inode) = inode(&fault.path)
                && let Ok(Some(record)) = self.record(rref)
            {
                let digests = digests_below(&record, &self.store.out_dir(rref), &[&fault.path]);
                for digest in digests {
                    damaged.entry(digest).or_default().insert(inode);
                }
            }
        }
        damaged
    }

    /// Returns this store and the peers.
    fn stores(&self) -> Vec<&Store> {
        let mut stores = vec![self.store];
        stores.extend(&self.peers);
        stores
    }

    /// Reads the record of a realization from the first store in which it is intact. Returns an error if there is none and a
    /// store could not be read.
    fn record(&self, rref: &RRefId) -> Result<Option<Record>> {
        first(&self.stores(), |store| store.record(rref))
    }

    fn sources(&self, of_rrefs: &BTreeMap<RRefId, Vec<Fault>>) -> RepairSources {
        let mut wanted = HashSet::new();
        let mut damaged = HashSet::new();
        for (rref, faults) in of_rrefs {
            let broken = faults.iter().filter(|fault| is_in_the_realization(fault));
            let broken: Vec<&Path> = broken.map(|fault| fault.path.as_path()).collect();
            // Another name of a damaged file has the same bytes.
            damaged.extend(&broken);
            if !broken.is_empty()
                && let Ok(Some(record)) = self.record(rref)
            {
                wanted.extend(digests_below(&record, &self.store.out_dir(rref), &broken));
            }
        }
        find(&self.stores(), &wanted, &damaged)
    }

    fn mend_realization(
        &self,
        rref: &RRefId,
        faults: Vec<Fault>,
        sources: &RepairSources,
        quarantine: &mut Quarantine,
        report: &mut RepairReport,
    ) {
        let (others, faults): (Vec<Fault>, Vec<Fault>) = (faults.into_iter()).partition(|fault| {
            matches!(
                fault.kind,
                FaultKind::BuildRecord | FaultKind::Signature | FaultKind::Unexpected
            )
        });
        for fault in others {
            if fault.kind == FaultKind::Unexpected {
                report.left.push(fault);
                continue;
            }
            let done = self.mend_build(rref, &fault, quarantine);
            note(report, vec![fault], done.map(Some));
        }
        let is_unknown = |fault: &Fault| fault.kind == FaultKind::Unreadable;
        if faults.iter().any(is_in_the_realization) && !faults.iter().any(is_unknown) {
            let done = self.replace(rref, sources, quarantine);
            note(report, faults, done);
            return;
        }
        // Unreadable files may be intact, so they stay.
        let (modes, left): (Vec<Fault>, Vec<Fault>) =
            (faults.into_iter()).partition(|fault| fault.kind == FaultKind::Mode);
        report.left.extend(left);
        if !modes.is_empty() {
            let done = self.set_modes(rref, &modes);
            note(report, modes, done);
        }
    }

    /// Quarantines a corrupt build record, and copies those of other stores, which may include the same one.
    fn mend_build(
        &self,
        rref: &RRefId,
        fault: &Fault,
        quarantine: &mut Quarantine,
    ) -> Result<Repaired> {
        // If the realization's record is corrupt too, replacing the realization takes care of all build records.
        let record = first(&[self.store], |store| store.record(rref))?;
        let mut others = Vec::new();
        for peer in &self.peers {
            if record.is_some() && first(&[peer], |peer| peer.realization(rref))?.is_some() {
                let staging = Staging::new(self.store)?;
                self.store.stage_builds(peer, rref, staging.folder())?;
                others.push(staging);
            }
        }
        let aside = self.put_aside(&fault.path, quarantine)?;
        touch(&self.store.derivation_dir(rref.dref()))?;
        for staging in others {
            if let Some(record) = &record {
                add_builds(self.store, staging.folder(), rref, &record.to_text())?;
            }
        }
        let action = if is_there(&fault.path)? {
            RepairAction::Replaced
        } else {
            RepairAction::PutAside
        };
        Ok(done(&fault.path, action, Some(aside)))
    }

    /// Copies the missing dependencies of a realization, if another store has them.
    fn mend_context(&self, rref: &RRefId) -> Result<Option<Repaired>> {
        let Ok(record) = self.store.record(rref) else {
            return Ok(None);
        };
        let Ok(config) = self.store.config(rref.dref()) else {
            return Ok(None);
        };
        if record.head().context.misfits(&config).next().is_some() {
            return Ok(None);
        }
        let mut missing: Vec<&RRefId> = Vec::new();
        for dep in record.head().context.realizations() {
            if !self.store.has(dep)? {
                missing.push(dep);
            }
        }
        if missing.is_empty() {
            // The repair of an earlier fault copied them.
            return Ok(Some(done(
                &self.store.records_dir(rref)?,
                RepairAction::Copied,
                None,
            )));
        }
        for dep in &missing {
            let peer = first(&self.peers, |peer| peer.realization(dep).map(|_| *peer))?;
            let Some(peer) = peer else {
                return Ok(None);
            };
            self.store.copy_from(peer, [dep])?;
        }
        let path = self.store.realization_dir(missing[0]);
        Ok(Some(done(&path, RepairAction::Copied, None)))
    }

    /// Quarantines a corrupt config, and copies a good one from another store. If there is none, realizing the stage writes it
    /// again.
    fn mend_config(
        &self,
        dref: &DRefId,
        fault: Fault,
        quarantine: &mut Quarantine,
    ) -> Result<Option<Repaired>> {
        let path = self.store.derivation_dir(dref).join(CONFIG);
        let good = first(&self.peers, |peer| peer.config(dref))?;
        let is_there = is_there(&path)?;
        // The next user has to check the folder again.
        self.store.forget_derivation(dref);
        let aside = if is_there {
            Some(self.put_aside(&path, quarantine)?)
        } else {
            None
        };
        let Some(good) = good else {
            let aside = aside.map(|aside| done(&fault.path, RepairAction::PutAside, Some(aside)));
            return Ok(aside);
        };
        let draft = self.store.manager().temporary()?;
        let durability = self.store.durability();
        durability.publish_file(&draft, &path, good.text().as_bytes())?;
        Ok(Some(done(&path, RepairAction::Replaced, aside)))
    }

    /// Replaces a realization by a good copy, or quarantines it if there is none. Fails and changes nothing if a possible
    /// source could not be read.
    fn replace(
        &self,
        rref: &RRefId,
        sources: &RepairSources,
        quarantine: &mut Quarantine,
    ) -> Result<Option<Repaired>> {
        let place = self.store.records_dir(rref)?;
        if self.store.is_stub(rref)? {
            // Its records come again with the next run that asks a remote.
            let aside = self.put_aside(&place, quarantine)?;
            touch(&self.store.derivation_dir(rref.dref()))?;
            return Ok(Some(done(&place, RepairAction::PutAside, Some(aside))));
        }
        let staging = Staging::new(self.store)?;
        let fresh = staging.folder().join(rref.folder());
        let is_whole = match self.record(rref)? {
            Some(record) => {
                let outs: Vec<PathBuf> = (self.stores().iter())
                    .map(|store| store.out_dir(rref))
                    .collect();
                let lacking = stage_from(
                    &record,
                    &fresh,
                    self.store.durability(),
                    &|entry, digest| {
                        let same = outs.iter().map(|out| out.join(&entry.path));
                        let others = sources.files.get(digest).into_iter().flatten().cloned();
                        same.chain(others).collect()
                    },
                )?;
                let unknown = lacking.values().find(|lacked| lacked.is_unknown);
                if let Some(fault) = unknown.and_then(|lacked| lacked.faults.first()) {
                    return Err(not_looked_at(rref, fault));
                }
                if let (false, Some(refused)) = (lacking.is_empty(), &sources.refused) {
                    return Err(not_looked_at(rref, refused));
                }
                lacking.is_empty()
            }
            None => false,
        };
        if !is_whole {
            let aside = self.put_aside(&place, quarantine)?;
            return Ok(Some(done(&place, RepairAction::PutAside, Some(aside))));
        }
        let aside = quarantine.place_for(&place)?;
        let alone = self.store.manager().lock_exclusive()?;
        // The exclusive lock prevents new build records.
        keep_builds(self.store, &place, &fresh)?;
        replace_folder(&fresh, &place, &aside)?;
        drop(alone);
        let derivation = self.store.derivation_dir(rref.dref());
        self.store.durability().sync_folder(&derivation)?;
        Ok(Some(done(&place, RepairAction::Replaced, Some(aside))))
    }

    fn put_aside(&self, path: &Path, quarantine: &mut Quarantine) -> Result<PathBuf> {
        let aside = quarantine.place_for(path)?;
        let alone = self.store.manager().lock_exclusive()?;
        fs::rename(path, &aside).map_err(|error| Error::io("put aside", path, error))?;
        drop(alone);
        if let Some(folder) = path.parent() {
            self.store.durability().sync_folder(folder)?;
        }
        Ok(aside)
    }

    /// Sets permissions in place: the content has been verified.
    fn set_modes(&self, rref: &RRefId, faults: &[Fault]) -> Result<Option<Repaired>> {
        let record = self.store.record(rref)?;
        let out = self.store.out_dir(rref);
        let executable: HashSet<PathBuf> = (record.manifest().entries().iter())
            .filter(|entry| match entry.kind {
                EntryKind::Dir => true,
                EntryKind::File { executable, .. } => executable,
                EntryKind::Link { .. } => false,
            })
            .map(|entry| out.join(&entry.path))
            .chain([out.clone()])
            .collect();
        for fault in faults {
            let path = &fault.path;
            let mode = if executable.contains(path) {
                0o555
            } else {
                0o444
            };
            fs::set_permissions(path, Permissions::from_mode(mode))
                .map_err(|error| Error::io("change the mode of", path, error))?;
            let file = open_file(CWD, path);
            let file = file.map_err(|errno| Error::io("open", path, errno.into()))?;
            self.store.durability().sync(&file, path)?;
        }
        let place = self.store.realization_dir(rref);
        Ok(Some(done(&place, RepairAction::ModesSet, None)))
    }
}

/// Copies the build records and logs in `from`, except those that are not readable as regular files.
fn keep_builds(store: &Store, from: &Path, to: &Path) -> Result<()> {
    let refused = |error| Error::io("read the folder", from, error);
    let entries = match fs::read_dir(from) {
        Err(error) if is_absence(&error) => return Ok(()),
        entries => entries.map_err(refused)?,
    };
    for entry in entries {
        let entry = entry.map_err(refused)?;
        let (name, path) = (entry.file_name(), entry.path());
        if BuildRecord::kind_of(name.as_encoded_bytes()).is_none() {
            continue;
        }
        match regular::read(&path) {
            Ok(bytes) => store
                .durability()
                .write_new(&to.join(OsStr::new(&name)), &bytes)?,
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(Error::io("read", &path, error)),
        }
    }
    store.durability().sync_folder(to)
}

/// Returns the result of the first store that is intact. If there is none, returns the error of a store that could not be read.
fn first<S, T>(stores: &[S], read: impl Fn(&S) -> Result<T>) -> Result<Option<T>> {
    let mut refused = None;
    for store in stores {
        match read(store) {
            Ok(read) => return Ok(Some(read)),
            Err(error) if tells_of_damage(&error) => {}
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Ok(None), Err)
}

/// Returns the error for a possible good copy that could not be read.
fn not_looked_at(rref: &RRefId, why: &str) -> Error {
    let message = format!("{rref} is left as it is: there may be a good copy of it, but {why}");
    Error::new(ErrorKind::Store, message).with_help("repair again when that can be read")
}

fn done(path: &Path, action: RepairAction, quarantine: Option<PathBuf>) -> Repaired {
    Repaired {
        path: path.to_owned(),
        action,
        quarantine,
        faults: Vec::new(),
    }
}

/// Adds the result of a repair to the report.
fn note(report: &mut RepairReport, faults: Vec<Fault>, done: Result<Option<Repaired>>) {
    match done {
        Ok(Some(repaired)) => {
            if repaired.action == RepairAction::PutAside {
                // The object is missing now. Nothing depends on a build record or a signature, so they are not reported.
                let missing = faults.iter().filter(|fault| {
                    !matches!(fault.kind, FaultKind::BuildRecord | FaultKind::Signature)
                });
                report.left.extend(missing.cloned());
            }
            report.repaired.push(Repaired { faults, ..repaired });
        }
        Ok(None) => report.left.extend(faults),
        Err(error) => {
            report.left.extend(faults);
            report.refused.push(error);
        }
    }
}
