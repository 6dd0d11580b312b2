//! Manual removal.

use std::collections::HashSet;
use std::fmt;

use super::{Freed, GcReport, KeptRealizations, KnownRoots, Trash, untrusted};
use crate::config::{DRefId, RRefId};
use crate::store::Store;
use crate::store::disk::reserve::{release, reserve};
use crate::store::disk::system::untrusted_system;
use crate::store::disk::there::is_there;
use crate::store::known::survey::Survey;
use crate::store::using::in_use::InUse;
use crate::{Error, ErrorKind, Result};

/// A removal with its options, created by [`Store::remove`] and [`Store::remove_derivation`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `run` or `plan`"]
pub struct Removal<'a> {
    store: &'a Store,
    what: RemovalTarget,
    dependents: bool,
    force: bool,
    trust_locks: bool,
}

#[derive(Clone, Debug)]
enum RemovalTarget {
    Realization(RRefId),
    Derivation(DRefId),
}

impl Store {
    /// Removes one realization. Unless overridden by options, fails if the realization has dependents, is a root, or is in use
    /// by a living process, including this one.
    ///
    /// ```
    /// # use pylightnix::config::ConfigJson;
    /// # use pylightnix::store::{BuildKind, BuildRecord, Context, Outcome, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// # let config = ConfigJson::from_json("{\n    \"name\": \"params\"\n}")?;
    /// # let build = BuildRecord::now(BuildKind::Build);
    /// # let rref = store.plumbing().draft()?.publish(&config, &Context::empty(), Outcome::Ok, &build)?.id;
    /// // This process published it, so it is in use.
    /// assert!(store.remove(&rref).run().is_err());
    /// store.remove(&rref).with_dependents().force().run()?;
    /// assert!(!store.has(&rref)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&self, rref: impl AsRef<RRefId>) -> Removal<'_> {
        self.removal(RemovalTarget::Realization(rref.as_ref().clone()))
    }

    /// Removes a derivation with all its realizations, under the conditions of [`remove`](Self::remove).
    pub fn remove_derivation(&self, dref: impl AsRef<DRefId>) -> Removal<'_> {
        self.removal(RemovalTarget::Derivation(dref.as_ref().clone()))
    }

    fn removal(&self, what: RemovalTarget) -> Removal<'_> {
        Removal {
            store: self,
            what,
            dependents: false,
            force: false,
            trust_locks: false,
        }
    }
}

impl Removal<'_> {
    /// Also removes all direct and indirect dependents.
    pub fn with_dependents(mut self) -> Self {
        self.dependents = true;
        self
    }

    /// Removes it even if it is a root, including that root, or if a living process uses it, which may then fail.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// See [`Gc::nobody_else_uses_it`](super::Gc::nobody_else_uses_it).
    pub fn nobody_else_uses_it(mut self) -> Self {
        self.trust_locks = true;
        self
    }

    /// Returns what would be removed, without removing it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn plan(self) -> Result<GcReport> {
        let (in_use, roots) = KnownRoots::read_without_locks(self.store, self.trust_locks)?;
        let survey = Survey::of(self.store)?;
        let order = self.order(&survey, &in_use, &roots)?;
        let mut report = GcReport {
            kept: survey.found.len() - order.len(),
            ..GcReport::default()
        };
        let mut freed = Freed::of(self.store, &survey)?;
        for at in order {
            report.add_realization(&survey, at, freed.take(at));
        }
        report.derivations.extend(self.derivation().cloned());
        Ok(report)
    }

    /// Runs the removal.
    ///
    /// # Errors
    /// Fails if the object is not in the store or may not be removed; the message lists the reasons, and nothing is removed.
    /// Also fails if locks on the file system are unreliable, or if a system call fails.
    pub fn run(self) -> Result<GcReport> {
        if !self.trust_locks
            && let Some(system) = untrusted_system(self.store.root())
        {
            return Err(untrusted(self.store, &system));
        }
        self.store.expect_writable()?;
        release(self.store.layout());
        let report = self.remove();
        reserve(self.store.layout());
        report
    }

    fn remove(&self) -> Result<GcReport> {
        let store = self.store;
        let manager = store.manager();
        let _sweep = manager.lock_sweep(&mut || ())?;
        let (mut in_use, mut roots) = KnownRoots::read(store, self.trust_locks)?;
        let mut alone = None;
        if self.force {
            // Users may publish dependents at any time until the lock is taken.
            alone = Some(manager.lock_exclusive()?);
            in_use.read_new(store)?;
            roots.read_new(store, &mut in_use)?;
        }
        let survey = Survey::of(store)?;
        let order = self.order(&survey, &in_use, &roots)?;
        let freed = Freed::of(store, &survey)?;
        let alone = match alone {
            Some(alone) => alone,
            None => {
                let alone = manager.lock_exclusive()?;
                // New dependents would have been announced in a lease, which this check sees.
                in_use.read_new(store)?;
                roots.read_new(store, &mut in_use)?;
                self.order(&survey, &in_use, &roots)?;
                alone
            }
        };
        let mut trash = Trash::new(store.layout());
        let mut report = GcReport::default();
        let moved = self.move_all(freed, &order, &roots, &mut trash, &mut report);
        drop(alone);
        report.kept = survey.found.len() - report.realizations.len();
        report.not_deleted(trash.empty(&mut |_| ()));
        moved.map(|()| report)
    }

    fn move_all(
        &self,
        mut freed: Freed<'_>,
        order: &[usize],
        roots: &KnownRoots,
        trash: &mut Trash,
        report: &mut GcReport,
    ) -> Result<()> {
        let survey = freed.survey();
        for at in order {
            let id = &survey.found[*at].id;
            for root in roots.all.iter().filter(|root| root.rref == *id) {
                self.store.delete_root(&root.name)?;
            }
            trash.put(&survey.found[*at].folder(self.store), freed.bytes(*at))?;
            survey.found[*at].show_gone(self.store)?;
            report.add_realization(survey, *at, freed.take(*at));
        }
        if let Some(dref) = self.derivation() {
            trash.put(&self.store.layout().stubs_of(dref), 0)?;
            trash.put(&self.store.derivation_dir(dref), 0)?;
            self.store.forget_derivation(dref);
            self.store.delete_marks(dref)?;
            report.derivations.push(dref.clone());
        }
        Ok(())
    }

    fn derivation(&self) -> Option<&DRefId> {
        match &self.what {
            RemovalTarget::Derivation(dref) => Some(dref),
            RemovalTarget::Realization(_) => None,
        }
    }

    /// Returns the removal order, dependents first; fails if something may not be removed.
    fn order(&self, survey: &Survey, in_use: &InUse, roots: &KnownRoots) -> Result<Vec<usize>> {
        let targets: Vec<usize> = match &self.what {
            RemovalTarget::Realization(rref) => survey.find(rref).into_iter().collect(),
            RemovalTarget::Derivation(dref) => survey.of_derivation(dref).collect(),
        };
        let is_there = match &self.what {
            RemovalTarget::Realization(_) => !targets.is_empty(),
            RemovalTarget::Derivation(dref) => is_there(&self.store.derivation_dir(dref))?,
        };
        if !is_there {
            let message = format!("{self} is not in the store");
            return Err(Error::new(ErrorKind::Missing, message));
        }
        let dependents = survey.dependents();
        let mut all: HashSet<usize> = targets.iter().copied().collect();
        let mut next = targets.clone();
        while let Some(at) = next.pop() {
            next.extend(dependents[at].iter().copied().filter(|at| all.insert(*at)));
        }
        self.may_go(survey, in_use, roots, &targets, &all)?;
        let mut kept = KeptRealizations::nothing(survey);
        kept.all_but(&all);
        Ok(kept.others(|_| true))
    }

    fn may_go(
        &self,
        survey: &Survey,
        in_use: &InUse,
        roots: &KnownRoots,
        targets: &[usize],
        all: &HashSet<usize>,
    ) -> Result<()> {
        let mut reasons = Vec::new();
        let mut help = Vec::new();
        if !self.dependents && all.len() > targets.len() {
            let own: HashSet<usize> = targets.iter().copied().collect();
            let mut others: Vec<&RRefId> = (all.difference(&own))
                .map(|at| &survey.found[*at].id)
                .collect();
            others.sort_unstable();
            reasons.extend(others.iter().map(|rref| format!("{rref} was made from it")));
            help.push("`with_dependents()` removes as well what was made from it");
        }
        if !self.force {
            let before = reasons.len();
            let goes = |rref: &RRefId| survey.find(rref).is_some_and(|at| all.contains(&at));
            for root in roots
                .all
                .iter()
                .filter(|root| root.counts && goes(&root.rref))
            {
                reasons.push(match (&root.link, &root.run) {
                    (Some(link), _) => format!("the link {} keeps {}", link.display(), root.rref),
                    (_, Some(run)) => format!("{run} keeps {}", root.rref),
                    _ => format!("the root {:?} keeps {}", root.name, root.rref),
                });
            }
            let of_all = all.iter().map(|at| survey.found[*at].id.dref());
            let drefs: HashSet<&DRefId> = of_all.chain(self.derivation()).collect();
            let mut used: Vec<&DRefId> =
                drefs.into_iter().filter(|dref| in_use.has(dref)).collect();
            used.sort_unstable();
            reasons.extend(
                used.iter()
                    .map(|dref| format!("a living process uses {dref}")),
            );
            if reasons.len() > before {
                help.push("`force()` removes it all the same, with its roots");
            }
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Store,
            format!("{self} cannot be removed:\n{}", reasons.join("\n")),
        )
        .with_help(help.join("\n")))
    }
}

impl fmt::Display for Removal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            RemovalTarget::Realization(rref) => rref.fmt(f),
            RemovalTarget::Derivation(dref) => dref.fmt(f),
        }
    }
}
