//! The steps of a garbage collection.

use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use uuid::Uuid;

use super::code_items::LooseItems;
use super::downloads;
use super::loose_stubs::loose_stubs;
use super::pushed::PushedTo;
use super::{Freed, Gc, GcEvent, GcReport, KeptRealizations, KnownRoots, Trash};
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::entries::entries;
use crate::store::disk::layout::CONFIG;
use crate::store::disk::remove::remove_tree;
use crate::store::known::survey::Survey;
use crate::store::runs::Ordered;
use crate::store::using::in_use::InUse;
use crate::store::using::lease::Used;
use crate::store::using::roots::Root;
use crate::store::using::sweep::{sweep, sweep_build_locks};
use crate::{Error, Result};

/// Maximum number of renames for which other processes have to wait.
const BATCH: usize = 128;

/// The result of the first phase, which needs no exclusive lock.
struct MarkPhase<'a> {
    survey: &'a Survey,
    in_use: InUse,
    roots: KnownRoots,
    kept: KeptRealizations<'a>,
    freed: Freed<'a>,
    /// The realizations to remove, unless they turn out to be in use.
    order: Vec<usize>,
    code: HashSet<String>,
    failed: Vec<(PathBuf, u64)>,
    downloads: Vec<(PathBuf, u64)>,
}

impl Gc<'_> {
    /// Determines what a collection would remove.
    pub(super) fn preview(&mut self) -> Result<GcReport> {
        let (in_use, mut roots) = KnownRoots::read_without_locks(self.store, self.trust_locks)?;
        roots.forget(&self.let_go);
        let ordered = self.store.ordered()?;
        let survey = Survey::of(self.store)?;
        let looked = self.choose(in_use, roots, &ordered, &survey)?;
        let gone: HashSet<usize> = looked.order.iter().copied().collect();
        let mut report = looked.report();
        report.derivations = (survey.drefs.iter())
            .filter(|(dref, range)| {
                !looked.in_use.has(dref)
                    && range.clone().all(|at| gone.contains(&at))
                    && !has_more(self.store, dref, range.len())
            })
            .map(|(dref, _)| dref.clone())
            .collect();
        if let Some(pushed) = self.pushed {
            let mut freed = looked.freed.clone();
            for at in &looked.order {
                freed.take(*at);
            }
            for at in looked.pushed(self.store, pushed, &gone)? {
                report.add_stub(&survey, at, freed.take(at));
            }
        }
        let ended = looked.roots.all.into_iter();
        report.ended_roots = ended
            .filter(|root| !root.counts && !looked.in_use.has(root.rref.dref()))
            .collect();
        report.code = looked.code.into_iter().collect();
        report.code.sort_unstable();
        report.failed = looked.failed.into_iter().map(|(path, _)| path).collect();
        report.downloads = looked.downloads.into_iter().map(|(path, _)| path).collect();
        report.runs = self.store.old_runs()?;
        report.abandoned = ordered.abandoned;
        Ok(report)
    }

    pub(super) fn collect(&mut self) -> Result<GcReport> {
        let (store, layout) = (self.store, self.store.layout());
        let manager = store.manager();
        let observer = &mut self.observer;
        let _sweep = manager.lock_sweep(&mut || observer(&GcEvent::Waiting))?;
        // Leases are read before the survey: a process that is dead by now publishes nothing more.
        let (in_use, mut roots) = KnownRoots::read(store, self.trust_locks)?;
        roots.forget(&self.let_go);
        let ordered = store.ordered()?;
        let survey = Survey::of(store)?;
        let mut looked = self.choose(in_use, roots, &ordered, &survey)?;

        let chosen = looked.report();
        (self.observer)(&GcEvent::Chosen {
            kept: chosen.kept,
            removed: chosen.realizations.len(),
            bytes: chosen.bytes,
        });
        for rref in &survey.filled {
            // The process that filled the stub died before it removed it.
            store.unite_stub(rref)?;
        }
        let mut trash = Trash::new(layout);
        let mut report = GcReport {
            elsewhere: looked.in_use.elsewhere,
            abandoned: ordered.abandoned,
            ..GcReport::default()
        };
        if looked.has_something(store) {
            match looked.move_dead(store, &mut trash, &mut report) {
                Err(error) if report.realizations.is_empty() => return Err(error),
                // Objects that were moved have to be deleted even after an error.
                Err(error) => report.refused.push(error),
                Ok(()) => {}
            }
        }
        if let Some(pushed) = self.pushed {
            match looked.turn_into_stubs(store, pushed, &mut trash, &mut report) {
                Err(error) if trash.is_empty() => return Err(error),
                Err(error) => report.refused.push(error),
                Ok(()) => {}
            }
        }
        // Includes realizations that were chosen for removal but stayed.
        report.kept = survey.found.len() - report.realizations.len();
        let more = looked.failed.iter().chain(&looked.downloads);
        let of = report.bytes + more.map(|(_, bytes)| bytes).sum::<u64>();
        let mut bytes = 0;
        let mut deleted = |size| {
            bytes += size;
            (self.observer)(&GcEvent::Deleted { bytes, of });
        };
        let left = trash.empty(&mut deleted);
        report.not_deleted(left);
        for (path, size) in looked.failed {
            match remove_tree(&path) {
                Ok(()) => {
                    deleted(size);
                    report.bytes += size;
                    report.failed.push(path);
                }
                Err(error) => report.refused.push(Error::io("delete", &path, error)),
            }
        }
        for (path, size) in looked.downloads {
            match downloads::delete(&path) {
                Ok(true) => {
                    deleted(size);
                    report.bytes += size;
                    report.downloads.push(path);
                }
                Ok(false) => {}
                Err(error) => report.refused.push(Error::io("delete", &path, error)),
            }
        }
        for path in store.old_runs()? {
            match remove_tree(&path) {
                Ok(()) => report.runs.push(path),
                Err(error) => report.refused.push(Error::io("delete", &path, error)),
            }
        }
        // Unreliable locks were ruled out earlier, unless the caller vouches for being the only user.
        let left = sweep(layout, manager.lease_name(), true, self.trust_locks);
        // Leave out errors that were already reported above.
        let told: HashSet<PathBuf> = (report.refused.iter())
            .filter_map(|error| error.path().map(Path::to_owned))
            .collect();
        let is_told = |error: &Error| error.path().is_some_and(|path| told.contains(path));
        let new = left.into_iter().filter(|error| !is_told(error));
        report.refused.extend(new);
        sweep_build_locks(layout);
        if !report.derivations.is_empty() {
            store.manager().index().delete(layout);
            // Else it would keep rows of what is gone for ever.
            let _ = fs::remove_dir_all(layout.pages());
        }
        Ok(report)
    }

    fn choose<'a>(
        &self,
        mut in_use: InUse,
        roots: KnownRoots,
        ordered: &Ordered,
        survey: &'a Survey,
    ) -> Result<MarkPhase<'a>> {
        let mut kept = KeptRealizations::nothing(survey);
        // Tasks of runs without a process have no lease before they begin.
        let named = ordered.drefs.iter().cloned();
        in_use.all.extend(named.map(Used::Derivation));
        kept.keep_used(&in_use.all)?;
        for rref in &ordered.rrefs {
            kept.keep_rref(rref)?;
        }
        for root in roots.all.iter().filter(|root| root.counts) {
            kept.keep_rref(&root.rref)?;
        }
        let oldest = self.newer_than.map(oldest);
        for (_, range) in &survey.drefs {
            let mut newest: Vec<usize> = range.clone().collect();
            newest.sort_unstable_by_key(|&at| {
                let found = &survey.found[at];
                std::cmp::Reverse((found.is_success, found.newest, at))
            });
            for (place, at) in newest.into_iter().enumerate() {
                // Realizations of unknown age are kept.
                let newest = survey.found[at].newest;
                let is_new =
                    oldest.is_some_and(|oldest| newest.is_none_or(|newest| newest > oldest));
                if place < self.newest || is_new {
                    kept.keep(at)?;
                }
            }
        }
        let freed = Freed::of(self.store, survey)?;
        let mut room = self.free_at_most;
        let mut has_room = |bytes: u64| {
            let left = room.checked_sub(bytes);
            room = left.unwrap_or(room);
            left.is_some()
        };
        let mut then = freed.clone();
        let order = kept.others(|at| {
            let fits = has_room(then.bytes(at));
            if fits {
                then.take(at);
            }
            fits
        });
        let mut has_room = |(_, bytes): &(PathBuf, u64)| has_room(*bytes);
        let mut failed = failed_builds(self.store, oldest)?;
        failed.retain(&mut has_room);
        let mut downloads = downloads::left_behind(self.store, self.newer_than)?;
        downloads.retain(&mut has_room);
        let gone: HashSet<usize> = order.iter().copied().collect();
        let stays = (0..survey.found.len()).filter(|at| !gone.contains(at));
        let used: HashSet<&str> = stays
            .flat_map(|at| survey.found[at].code.iter().map(String::as_str))
            .collect();
        let mut code = self.store.all_code()?;
        code.retain(|fingerprint| {
            !used.contains(fingerprint.as_str()) && !in_use.has_code(fingerprint)
        });
        Ok(MarkPhase {
            survey,
            in_use,
            roots,
            kept,
            freed,
            order,
            code,
            failed,
            downloads,
        })
    }
}

impl MarkPhase<'_> {
    fn report(&self) -> GcReport {
        let mut report = GcReport {
            kept: self.survey.found.len() - self.order.len(),
            bytes: (self.failed.iter().chain(&self.downloads))
                .map(|(_, bytes)| bytes)
                .sum(),
            elsewhere: self.in_use.elsewhere,
            ..GcReport::default()
        };
        let mut freed = self.freed.clone();
        for at in &self.order {
            report.add_realization(self.survey, *at, freed.take(*at));
        }
        report
    }

    /// Whether there is anything to remove that requires the exclusive lock.
    fn has_something(&self, store: &Store) -> bool {
        let empty = |(dref, range): &(DRefId, std::ops::Range<usize>)| {
            range.is_empty() && !self.in_use.has(dref) && has_only(store, dref, None)
        };
        !self.order.is_empty()
            || !self.code.is_empty()
            || self.roots.all.iter().any(|root| !root.counts)
            || loose_stubs(store).is_ok_and(|loose| !loose.is_empty())
            || self.survey.drefs.iter().any(empty)
    }

    /// Moves unreachable objects to the trash in batches, between which other processes may enter. Each batch first reads new
    /// leases and roots: a process that entered in between could only find objects that were still there, and has recorded its
    /// use in a lease.
    fn move_dead(&mut self, store: &Store, trash: &mut Trash, report: &mut GcReport) -> Result<()> {
        let survey = self.survey;
        // The number of remaining realizations of each derivation.
        let mut left: HashMap<&DRefId, usize> = HashMap::new();
        let mut stay = HashSet::new();
        for batch in std::mem::take(&mut self.order).chunks(BATCH) {
            self.alone(store, report, |this, report| {
                for at in batch.iter().copied() {
                    let surveyed = &survey.found[at];
                    if !this.kept.has(at) && !stay.contains(&at) {
                        let dref = surveyed.id.dref();
                        let left = left
                            .entry(dref)
                            .or_insert_with(|| survey.of_derivation(dref).len());
                        // The last realization takes its derivation along in the same rename.
                        let is_last = *left == 1
                            && !surveyed.is_stub
                            && !this.in_use.has(dref)
                            && has_only(store, dref, Some(&surveyed.id));
                        let folder = match is_last {
                            true => store.derivation_dir(dref),
                            false => surveyed.folder(store),
                        };
                        match trash.put(&folder, this.freed.bytes(at)) {
                            Ok(()) => {
                                report.refused.extend(surveyed.show_gone(store).err());
                                *left -= 1;
                                report.add_realization(survey, at, this.freed.take(at));
                                if is_last {
                                    store.forget_derivation(dref);
                                    report.derivations.push(dref.clone());
                                }
                                continue;
                            }
                            Err(error) => report.refused.push(error),
                        }
                    }
                    // A realization that stays protects its dependencies.
                    stay.extend(surveyed.deps.iter().copied());
                    for fingerprint in &surveyed.code {
                        this.code.remove(fingerprint);
                    }
                }
            })?;
        }
        let gone: HashSet<DRefId> = report.derivations.iter().cloned().collect();
        let empty: Vec<&DRefId> = (survey.drefs.iter())
            .filter(|(dref, range)| left.get(dref).copied().unwrap_or(range.len()) == 0)
            .map(|(dref, _)| dref)
            .filter(|dref| !gone.contains(dref))
            .collect();
        for batch in empty.chunks(BATCH) {
            self.alone(store, report, |this, report| {
                for dref in batch {
                    if !this.in_use.has(dref) && has_only(store, dref, None) {
                        match trash.put(&store.derivation_dir(dref), 0) {
                            Ok(()) => {
                                store.forget_derivation(dref);
                                report.derivations.push((*dref).clone());
                            }
                            Err(error) => report.refused.push(error),
                        }
                    }
                }
            })?;
        }
        report.derivations.sort_unstable();
        if !loose_stubs(store)?.is_empty() {
            self.alone(store, report, |_, report| match loose_stubs(store) {
                Ok(loose) => {
                    for path in loose {
                        report.refused.extend(trash.put(&path, 0).err());
                    }
                }
                Err(error) => report.refused.push(error),
            })?;
        }
        let marked = store.marked()?;
        for batch in marked.chunks(BATCH) {
            self.alone(store, report, |this, report| {
                for dref in batch {
                    if !this.in_use.has(dref) && has_only(store, dref, None) {
                        report.refused.extend(store.delete_marks(dref).err());
                    }
                }
            })?;
        }
        let ended: Vec<Root> = (self.roots.all.iter())
            .filter(|root| !root.counts)
            .cloned()
            .collect();
        for batch in ended.chunks(BATCH) {
            self.alone(store, report, |this, report| {
                this.drop_roots(store, batch, report);
            })?;
        }
        let mut code: Vec<String> = self.code.iter().cloned().collect();
        code.sort_unstable();
        for batch in code.chunks(BATCH) {
            self.alone(store, report, |this, report| {
                for fingerprint in batch {
                    if !this.in_use.has_code(fingerprint) {
                        match store.delete_code(fingerprint) {
                            Ok(()) => report.code.push(fingerprint.clone()),
                            Err(error) => report.refused.push(error),
                        }
                    }
                }
            })?;
        }
        self.drop_code_items(store, report)
    }

    /// Returns the realizations that may become stubs.
    fn pushed(
        &self,
        store: &Store,
        pushed: PushedTo<'_>,
        gone: &HashSet<usize>,
    ) -> Result<Vec<usize>> {
        let survey = self.survey;
        // A link leads to the files.
        let links = self
            .roots
            .all
            .iter()
            .filter(|root| root.counts && root.link.is_some());
        let linked: HashSet<&RRefId> = links.map(|root| &root.rref).collect();
        let stays = (0..survey.found.len()).filter(|at| {
            let found = &survey.found[*at];
            let is_meant = found.is_success && !found.is_stub && found.tree.is_some();
            is_meant
                && !gone.contains(at)
                && !self.in_use.has(found.id.dref())
                && !linked.contains(&found.id)
        });
        let stays: Vec<usize> = stays.collect();
        let rrefs = stays
            .iter()
            .map(|at| survey.found[*at].id.clone())
            .collect();
        let there = pushed.among(store, rrefs)?;
        let is_there = |at: &usize| there.contains(&survey.found[*at].id);
        Ok(stays.into_iter().filter(is_there).collect())
    }

    /// Puts stubs in the place of realizations whose files a remote has, and moves these to the trash.
    fn turn_into_stubs(
        &mut self,
        store: &Store,
        pushed: PushedTo<'_>,
        trash: &mut Trash,
        report: &mut GcReport,
    ) -> Result<()> {
        let survey = self.survey;
        let removed = report
            .realizations
            .iter()
            .filter_map(|gone| survey.find(&gone.rref));
        let removed: HashSet<usize> = removed.collect();
        for batch in self.pushed(store, pushed, &removed)?.chunks(BATCH) {
            let mut drafts = Vec::with_capacity(batch.len());
            for at in batch {
                drafts.push((*at, pushed.draft(store, &survey.found[*at].id)?));
            }
            self.alone(store, report, |this, report| {
                for (at, draft) in drafts {
                    let id = &survey.found[at].id;
                    if this.in_use.has(id.dref()) {
                        continue;
                    }
                    let moved = draft.install(store, id).and_then(|is_put| {
                        let folder = store.realization_dir(id);
                        let bytes = this.freed.bytes(at);
                        is_put.then(|| trash.put(&folder, bytes)).transpose()
                    });
                    match moved {
                        Ok(Some(())) => report.add_stub(survey, at, this.freed.take(at)),
                        Ok(None) => {}
                        Err(error) => report.refused.push(error),
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Deletes the texts of items that no list of code names.
    fn drop_code_items(&mut self, store: &Store, report: &mut GcReport) -> Result<()> {
        let mut items = LooseItems::of(store)?;
        if items.loose.is_empty() {
            return Ok(());
        }
        let mut loose: Vec<String> = items.loose.iter().cloned().collect();
        loose.sort_unstable();
        for batch in loose.chunks(BATCH) {
            self.alone(store, report, |this, report| {
                // A process may have published a list since, or be about to.
                match items.update(store, &this.in_use) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => return report.refused.push(error),
                }
                for hash in batch.iter().filter(|hash| items.loose.contains(*hash)) {
                    report.refused.extend(store.delete_code_item(hash).err());
                }
            })?;
        }
        Ok(())
    }

    /// Runs `work` under the exclusive lock, after reading new entries of leases and roots.
    fn alone(
        &mut self,
        store: &Store,
        report: &mut GcReport,
        work: impl FnOnce(&mut Self, &mut GcReport),
    ) -> Result<()> {
        let alone = store.manager().lock_exclusive()?;
        let since = Instant::now();
        let used = self.in_use.read_new(store)?;
        self.kept.keep_used(&used)?;
        for root in self.roots.read_new(store, &mut self.in_use)? {
            self.kept.keep_rref(&root.rref)?;
        }
        work(self, report);
        drop(alone);
        report.alone = report.alone.max(since.elapsed());
        Ok(())
    }

    /// Removes roots that no longer count. The caller holds the exclusive lock.
    fn drop_roots(&self, store: &Store, ended: &[Root], report: &mut GcReport) {
        for root in ended {
            // While its derivation is in use, the root's link may be about to be created.
            if self.in_use.has(root.rref.dref()) {
                continue;
            }
            match store.read_root(root.name.clone()) {
                // A root may count again because it was rewritten in the meantime.
                Ok(Some(now)) if !now.counts || self.roots.has_forgotten(&root.name) => {
                    match store.delete_root(&root.name) {
                        Ok(_) => report.ended_roots.push(now),
                        Err(error) => report.refused.push(error),
                    }
                }
                Ok(_) => {}
                Err(error) => report.refused.push(error),
            }
        }
    }
}

/// Whether a derivation's folder contains more than its config and this number of realizations: new realizations, or foreign
/// files.
fn has_more(store: &Store, dref: &DRefId, realizations: usize) -> bool {
    match fs::read_dir(store.derivation_dir(dref)) {
        Ok(entries) => {
            let others = entries.flatten().map(|entry| entry.file_name());
            others.filter(|name| name != CONFIG).count() > realizations
        }
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Whether a derivation's folder contains nothing except its config and this realization, and it has no stubs.
fn has_only(store: &Store, dref: &DRefId, rref: Option<&RRefId>) -> bool {
    if !store.stubs_of(dref).is_ok_and(|stubs| stubs.is_empty()) {
        return false;
    }
    let folder = rref.map(RRefId::folder);
    let is_known =
        |name: &OsStr| name == CONFIG || folder.as_deref().is_some_and(|folder| name == folder);
    match fs::read_dir(store.derivation_dir(dref)) {
        Ok(mut entries) => {
            entries.all(|entry| entry.is_ok_and(|entry| is_known(&entry.file_name())))
        }
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Returns the time `age` ago.
fn oldest(age: Duration) -> Timestamp {
    let age = jiff::SignedDuration::try_from(age).unwrap_or(jiff::SignedDuration::MAX);
    Timestamp::now()
        .saturating_sub(age)
        .unwrap_or(Timestamp::MIN)
}

/// Returns the folders of failed builds from before `oldest`, oldest first, with their sizes.
fn failed_builds(store: &Store, oldest: Option<Timestamp>) -> Result<Vec<(PathBuf, u64)>> {
    let folder = store.layout().failed();
    let mut failed = Vec::new();
    for entry in entries(&folder)? {
        let path = entry?.path();
        let ended = path.file_name().and_then(OsStr::to_str).and_then(ended);
        if oldest.is_none_or(|oldest| ended.is_none_or(|ended| ended <= oldest)) {
            let bytes = size(&path);
            failed.push((path, bytes));
        }
    }
    failed.sort_unstable();
    Ok(failed)
}

/// Parses the time of a failed build from its folder name, `<uuid7>-<name>`.
fn ended(name: &str) -> Option<Timestamp> {
    let id = Uuid::try_parse(name.get(..36)?).ok()?;
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Timestamp::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?).ok()
}

/// Returns how many bytes the removal of a folder frees, skipping unreadable files. A file that has hard links elsewhere, as a
/// stage may make to its dependencies, stays.
fn size(path: &Path) -> u64 {
    let mut bytes = 0;
    // The names in the folder of files with several.
    let mut names: HashMap<(u64, u64), u64> = HashMap::new();
    let mut next = vec![path.to_owned()];
    while let Some(path) = next.pop() {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {
                let entries = fs::read_dir(&path).into_iter().flatten().flatten();
                next.extend(entries.map(|entry| entry.path()));
            }
            Ok(found) => {
                let here = names.entry((found.dev(), found.ino())).or_default();
                *here += 1;
                if *here == found.nlink() {
                    bytes += found.size();
                }
            }
            Err(_) => {}
        }
    }
    bytes
}
