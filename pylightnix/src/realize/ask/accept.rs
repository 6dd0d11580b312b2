//! Acceptance: the user declares that stale results are still valid.

use std::collections::{BTreeSet, HashSet};

use crate::config::{DRefId, RRefId};
use crate::plan::{AnyDRef, Code, PlanGraph, Target};
use crate::realize::decide::decision::{Decision, DecisionInput};
use crate::realize::decide::earlier::has_only_earlier;
use crate::realize::decide::staleness::{changed_default, staleness};
use crate::realize::execute::configs::ConfigChecks;
use crate::realize::options::{Realize, ReusePolicy};
use crate::realize::report::acceptance::{Acceptance, Accepted, NotAccepted, Waiting};
use crate::realize::report::reason::Stale;
use crate::realize::run::rehearsal::rehearsed;
use crate::realize::walk::{Visit, walk};
use crate::realize::why::{CodeChange, CodeChanges, CodeVersion};
use crate::store::{BuildKind, BuildRecord, Outcome, Realization, Store, Uncommitted};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Declares the stale results of the stages of `target` valid although their code changed: adds a record with today's
    /// code to each. The stages that they depend on have to be realized or accepted already; see
    /// [`accept_all`](Self::accept_all), and [`Realize::accept`] for less and for a check. Returns the accepted realizations.
    ///
    /// # Errors
    /// Fails if a dependency would have to be built first, or if the store cannot be written.
    pub fn accept<T: Target + ?Sized>(&self, target: &T) -> Result<Vec<RRefId>> {
        let mut accept = Realize::new(self).accept();
        target.visit(&mut |dref| {
            accept
                .stages
                .get_or_insert_default()
                .insert(dref.id().clone());
        });
        accept.all_of(&PlanGraph::of(target)?)
    }

    /// Declares all stale results of a plan valid, including those of the dependencies of `target`. Returns the accepted
    /// realizations.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_all<T: Target + ?Sized>(&self, target: &T) -> Result<Vec<RRefId>> {
        Realize::new(self).accept().all_of(&PlanGraph::of(target)?)
    }
}

impl<'a> Realize<'a> {
    /// Accepts stale results: says that today's code of a stage counts as the code that made them. By default all stale
    /// results of a plan; the methods of [`Accept`] choose among them, and compare them with what the stages give today.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Sum { #[selfref("sum.json")] pub out: SelfRef<Json<u64>> }
    /// # #[stage] fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    /// #     Ok(SumOutputs { out: b.out.save(&(1..=100).sum())? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let sum = instantiate(Sum::new())?;
    /// // A loop gave the same sum before.
    /// let before = sum.clone().with_realizer("a loop", |b| -> Result<()> {
    ///     let _ = b.out.save(&5050)?;
    ///     Ok(())
    /// });
    /// store.realize(&before)?;
    ///
    /// let done = Realize::new(&store).accept().check().run(&sum)?;
    /// assert_eq!(done.accepted.len(), 1, "{done}");
    /// assert!(store.plan(&sum)?.is_done());
    /// # Ok(()) }
    /// ```
    pub fn accept(mut self) -> Accept<'a> {
        // What is trusted in a run is still stale.
        self.trust_unknown = false;
        self.only_sealed = false;
        self.trusts_all();
        Accept {
            run: self,
            stages: None,
            only: Only::All,
            checks: false,
        }
    }
}

/// Accepts stale results: from [`Realize::accept`].
///
/// An acceptance is a record beside the result, with who accepted it, when, at which commit, and which code counts as which.
#[derive(Debug)]
#[must_use = "nothing happens before `run`"]
pub struct Accept<'a> {
    run: Realize<'a>,
    /// The stages to look at; `None` for all.
    stages: Option<HashSet<DRefId>>,
    only: Only,
    checks: bool,
}

/// The stale results that are accepted.
#[derive(Debug)]
enum Only {
    All,
    /// Those of versions of this library that did not follow what a stage calls.
    Earlier,
    /// Those of which it is not known which code made them.
    Unknown,
    /// Those whose code differs in these items and in nothing else.
    Changed(Vec<String>),
}

impl Accept<'_> {
    /// Accepts only results of this stage. Further calls add stages.
    pub fn stage(mut self, dref: impl AsRef<DRefId>) -> Self {
        let stages = self.stages.get_or_insert_default();
        stages.insert(dref.as_ref().clone());
        self
    }

    /// Accepts only the results of versions of this library that did not follow what a stage calls:
    /// [`Stale::HelpersUnknown`]. Stages that have a result of today's code are left as they are. These are the results that
    /// [`CodeNotes::earlier`](crate::realize::CodeNotes::earlier) counts.
    pub fn earlier(mut self) -> Self {
        self.only = Only::Earlier;
        self
    }

    /// Accepts only results of which it is not known which code made them, such as those that were
    /// [imported](crate::store::python::Import): [`Stale::Unknown`].
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Sum { #[selfref("sum.json")] pub out: SelfRef<Json<u64>> }
    /// # #[stage] fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    /// #     Ok(SumOutputs { out: b.out.save(&(1..=100).sum())? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let sum = instantiate(Sum::new())?;
    /// # let _ = store.realize(&sum)?;
    /// let would = Realize::new(&store).accept().unknown().plan(&sum)?;
    /// assert!(would.accepted.is_empty()); // the code that made the result is known
    /// # Ok(()) }
    /// ```
    pub fn unknown(mut self) -> Self {
        self.only = Only::Unknown;
        self
    }

    /// Accepts only results whose code differs from today's in this item and in nothing else: a function, a constant and so
    /// on, by the name that `plan` and [`why`](Realize::why) print, as in `normalise`, `Bump::at` or "fn normalise". So one
    /// call accepts what one edit made stale. Further calls name more items of the same edit. A word that two of the items
    /// that differ are called by does not choose between them.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Sum { #[selfref("sum.json")] pub out: SelfRef<Json<u64>> }
    /// # #[stage] fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    /// #     Ok(SumOutputs { out: b.out.save(&(1..=100).sum())? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let sum = instantiate(Sum::new())?;
    /// let would = Realize::new(&store).accept().changed("normalise").plan(&sum)?;
    /// assert!(would.accepted.is_empty());
    /// # Ok(()) }
    /// ```
    pub fn changed(mut self, item: &str) -> Self {
        match &mut self.only {
            Only::Changed(items) => items.push(item.to_owned()),
            only => *only = Only::Changed(vec![item.to_owned()]),
        }
        self
    }

    /// Makes one result of each stage again before its results are accepted, in the context that they were made in, and
    /// compares the bytes. Publishes nothing. Results of which the stage gives other bytes are not accepted:
    /// [`Acceptance::refused`]. Of a stage with several runs, one run is made again for all of them.
    pub fn check(mut self) -> Self {
        self.checks = true;
        self
    }

    /// Returns what [`run`](Self::run) would accept, and accepts nothing. A [`check`](Self::check) is done all the same.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn plan<T: Target + ?Sized>(&self, target: &T) -> Result<Acceptance> {
        self.done(&self.run.graph_of(target)?, false)
    }

    /// Accepts the chosen results of the plan of `target`.
    ///
    /// # Errors
    /// Fails if the plan contradicts itself, or if the store cannot be read or written.
    pub fn run<T: Target + ?Sized>(&self, target: &T) -> Result<Acceptance> {
        self.done(&self.run.graph_of(target)?, true)
    }

    /// Accepts, and fails at the first stage that waits for a dependency.
    fn all_of(&self, graph: &PlanGraph) -> Result<Vec<RRefId>> {
        let mut accepted = Vec::new();
        self.walk(graph, true, &CodeChanges::default(), |step| match step {
            Found::Accepted(one) => {
                accepted.push(one.rref);
                Ok(())
            }
            Found::Waiting(visit, dep) => Err(has_to_be_built(visit, dep)),
            Found::Refused(_) | Found::OtherChanges(_) => Ok(()),
        })?;
        Ok(accepted)
    }

    fn done(&self, graph: &PlanGraph, writes: bool) -> Result<Acceptance> {
        let mut done = Acceptance::default();
        let mut other_changes = BTreeSet::new();
        let changes = CodeChanges::default();
        self.walk(graph, writes, &changes, |found| {
            match found {
                Found::Accepted(one) => done.accepted.push(one),
                Found::Refused(one) => done.refused.push(one),
                Found::OtherChanges(what) => other_changes.extend(what),
                Found::Waiting(visit, dep) => {
                    if self.stages.is_some() || self.may_have(visit.stage, &changes)? {
                        done.waiting.push(Waiting {
                            dref: visit.stage.id().clone(),
                            dep: visit.graph.dref(dep).id().clone(),
                        });
                    }
                }
            }
            Ok(())
        })?;
        done.other_changes = other_changes.into_iter().collect();
        Ok(done)
    }

    fn walk(
        &self,
        graph: &PlanGraph,
        writes: bool,
        changes: &CodeChanges,
        mut tell: impl FnMut(Found<'_>) -> Result<()>,
    ) -> Result<()> {
        let run = &self.run;
        run.store
            .use_derivations(graph.drefs().map(|stage| stage.id()))?;
        walk(run, graph, None, |visit| {
            let dref = visit.stage.id();
            let is_wanted = self.stages.as_ref().is_none_or(|all| all.contains(dref));
            if let Some(dep) = visit.unknown_deps().first() {
                if is_wanted {
                    tell(Found::Waiting(visit, *dep))?;
                }
                return Ok(None);
            }
            visit.with_input(|input| {
                let mut accepted = Vec::new();
                if is_wanted && let Some(code) = visit.stage.node().code() {
                    let mut chosen = self.chosen(input, code, changes, &mut tell)?;
                    if self.checks && !chosen.is_empty() {
                        ConfigChecks::default().check(graph, visit.at)?;
                        chosen = self.checked(visit.at, input, chosen, &mut tell)?;
                    }
                    for StaleResult { realization, was } in chosen {
                        accepted.push(realization.id.clone());
                        let one = Accepted {
                            rref: realization.id,
                            from: was,
                            to: code.fingerprint().to_owned(),
                        };
                        if writes {
                            write(input, code, &one)?;
                        }
                        tell(Found::Accepted(one))?;
                    }
                }
                // If nothing is written, what is above is decided as if it were.
                let input = DecisionInput {
                    by_hand: &accepted,
                    ..*input
                };
                Ok(match input.decide(ReusePolicy::Usual)? {
                    Decision::Take { taken, .. } => Some(taken),
                    Decision::Build { .. } | Decision::Never(_) => None,
                })
            })
        })?;
        Ok(())
    }

    /// Returns the stale results of a stage that are to be accepted.
    fn chosen(
        &self,
        input: &DecisionInput<'_>,
        code: &Code,
        changes: &CodeChanges,
        tell: &mut impl FnMut(Found<'_>) -> Result<()>,
    ) -> Result<Vec<StaleResult>> {
        let stale = input.stale()?;
        if stale.is_empty() || !self.is_open(input.dref)? {
            return Ok(Vec::new());
        }
        let mut chosen = Vec::new();
        for (realization, why) in stale {
            match self.takes(input.dref, &realization, &why, changes)? {
                true => {
                    let was = made_with(&why, code).map(str::to_owned);
                    chosen.push(StaleResult { realization, was });
                }
                false => tell(Found::OtherChanges(told(changes, &why, code)))?,
            }
        }
        Ok(chosen)
    }

    /// Returns whether results of a stage are accepted at all.
    fn is_open(&self, stage: &AnyDRef) -> Result<bool> {
        match &self.only {
            Only::Earlier => has_only_earlier(&self.run.store, stage),
            Only::All | Only::Unknown | Only::Changed(_) => Ok(true),
        }
    }

    /// Returns whether a stale result is to be accepted.
    fn takes(
        &self,
        stage: &AnyDRef,
        realization: &Realization,
        why: &Stale,
        changes: &CodeChanges,
    ) -> Result<bool> {
        match (&self.only, why, stage.node().code()) {
            (Only::All, ..)
            | (Only::Earlier, Stale::HelpersUnknown, _)
            | (Only::Unknown, Stale::Unknown, _) => Ok(true),
            (Only::Changed(items), Stale::Code { was, .. }, Some(code)) => {
                let then = CodeVersion {
                    fingerprint: Some(was),
                    code: None,
                };
                let now = CodeVersion {
                    fingerprint: Some(code.fingerprint()),
                    code: Some(code),
                };
                let change = changes.between(&self.run.store, then, now)?;
                let mut builds = realization.builds.heads();
                // Another default is another change.
                let has_defaults = builds.any(|build| {
                    build.fingerprint == Some(was)
                        && changed_default(&build.omitted(), stage.node().omitted()).is_none()
                });
                Ok(has_defaults && is_only(&change, items))
            }
            _ => Ok(false),
        }
    }

    /// Returns whether a stage has results that may be accepted once its dependencies are there.
    fn may_have(&self, stage: &AnyDRef, changes: &CodeChanges) -> Result<bool> {
        let node = stage.node();
        let Some(code) = node.code() else {
            return Ok(false);
        };
        if !self.is_open(stage)? {
            return Ok(false);
        }
        for realization in self.run.store.realizations_of(stage.id())? {
            let why = staleness(realization.builds.heads(), code, node.omitted(), false);
            if realization.outcome == Outcome::Ok
                && let Some(why) = why
                && self.takes(stage, &realization, &why, changes)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes one result of the stage again, and returns the results that stand.
    fn checked(
        &self,
        at: usize,
        input: &DecisionInput<'_>,
        stale: Vec<StaleResult>,
        tell: &mut impl FnMut(Found<'_>) -> Result<()>,
    ) -> Result<Vec<StaleResult>> {
        let runs = |result: &StaleResult| {
            let heads = result.realization.builds.heads();
            heads.filter_map(|build| Some(build.run?.index)).min()
        };
        let index = stale.iter().filter_map(runs).min().unwrap_or(0);
        let made = match rehearsed(&self.run, at, input, index)? {
            Ok(made) => made,
            Err(error) => {
                tell(Found::Refused(NotAccepted {
                    rrefs: ids(stale),
                    files: Vec::new(),
                    error: Some(error),
                    kept: None,
                }))?;
                return Ok(Vec::new());
            }
        };
        let tree = made.tree();
        let equal = stale.iter().filter(|one| one.realization.tree == tree);
        // What one run shows of a code holds for its other runs.
        let sound: HashSet<Option<String>> = equal.map(|one| one.was.clone()).collect();
        let (stands, differs): (Vec<_>, Vec<_>) =
            stale.into_iter().partition(|one| sound.contains(&one.was));
        let rrefs = ids(differs);
        if let Some(first) = rrefs.first() {
            let files = made.differences(input.store, first)?;
            let kept = Some(made.keep(first)?);
            tell(Found::Refused(NotAccepted {
                rrefs,
                files,
                error: None,
                kept,
            }))?;
        }
        Ok(stands)
    }
}

/// What is found on the way through a plan.
enum Found<'a> {
    Accepted(Accepted),
    Refused(NotAccepted),
    /// A wanted stage waits for the dependency with this index.
    Waiting(&'a Visit<'a>, usize),
    /// What differs in the code of a stale result that is left as it is.
    OtherChanges(Vec<String>),
}

/// A stale result, with the fingerprint of the code that made it.
struct StaleResult {
    realization: Realization,
    was: Option<String>,
}

fn ids(results: Vec<StaleResult>) -> Vec<RRefId> {
    let ids = results.into_iter().map(|one| one.realization.id);
    ids.collect()
}

/// Returns what changed since a stale result was made, as far as it was looked up.
fn told(changes: &CodeChanges, why: &Stale, code: &Code) -> Vec<String> {
    let Stale::Code { was, .. } = why else {
        return Vec::new();
    };
    let known = changes.known(Some(was), Some(code.fingerprint()));
    let parts = known.iter().flat_map(|change| &change.parts);
    parts.map(|part| part.what.clone()).collect()
}

/// Returns whether a change is one of these items and nothing else.
fn is_only(change: &CodeChange, items: &[String]) -> bool {
    let parts = &change.parts;
    let all_named = parts
        .iter()
        .all(|part| items.iter().any(|item| part.is_called(item)));
    let of = |item: &String| parts.iter().filter(|part| part.is_called(item)).count();
    !parts.is_empty() && all_named && items.iter().all(|item| of(item) <= 1)
}

/// Returns the fingerprint of the code that made a stale result, if it is known.
fn made_with<'a>(why: &'a Stale, code: &'a Code) -> Option<&'a str> {
    match why {
        Stale::Code { was, .. } => Some(was),
        Stale::Default { .. } => Some(code.fingerprint()),
        Stale::ByHand => Some(Code::by_hand().fingerprint()),
        Stale::HelpersUnknown => code.before(),
        Stale::Unknown | Stale::Unsealed | Stale::Untrusted { .. } => None,
    }
}

fn write(input: &DecisionInput<'_>, code: &Code, one: &Accepted) -> Result<()> {
    Uncommitted::ask();
    code.save(input.store)?;
    let mut record = BuildRecord::now(BuildKind::Accept);
    record.fingerprint = Some(one.to.clone());
    record.accepted = one.from.clone();
    record.omitted = input.dref.node().omitted().clone();
    record.note_uncommitted();
    input.store.add_build(&one.rref, &record, None)
}

/// Makes the error for a stage that cannot be accepted because its dependency with index `dep` is not realized.
fn has_to_be_built(visit: &Visit<'_>, dep: usize) -> Error {
    let (dref, dep) = (visit.stage.id(), visit.graph.dref(dep).id());
    let message = format!(
        "stage `{}` cannot be accepted: `{}`, which it depends on, has to be built first",
        visit.graph.titled(dref),
        visit.graph.titled(dep),
    );
    Error::new(ErrorKind::Plan, message).with_help(format!(
        "accept or realize what it depends on, then accept it\nthe derivations are {dref} and {dep}"
    ))
}
