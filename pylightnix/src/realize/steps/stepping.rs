//! Stepping through a plan stage by stage.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::by_hand::{ByHand, ByHandParts, SharedStepping};
use crate::config::DRefId;
use crate::lens::{AnyRRef, BuildLog, Cardinality, Chosen, Config, ProgressSender};
use crate::plan::{AnyDRef, DRef, Listed, PlanGraph, Realizations, Run, Target};
use crate::realize::decide::arguments;
use crate::realize::decide::carry::{carryable, may_carry};
use crate::realize::decide::context::{chosen_for, context_of, recorded_choices};
use crate::realize::decide::decision::{CandidateSource, Decision, DecisionInput};
use crate::realize::execute::code::site;
use crate::realize::execute::configs::ConfigChecks;
use crate::realize::execute::promises;
use crate::realize::failure::errors::{matcher_refused, not_begun};
use crate::realize::foresee::foresee;
use crate::realize::options::Realize;
use crate::realize::report::carried::CarriedWhy;
use crate::realize::report::event::{Brief, Event};
use crate::realize::report::reason::Reason;
use crate::realize::report::taken::{AlreadyChosen, Taken};
use crate::realize::resources::units::UnitPool;
use crate::realize::run::choices::Choices;
use crate::realize::run::run_plan::run_plan;
use crate::realize::stop::cancel::Cancel;
use crate::store::{BuildKind, BuildRecord, Context, Store, Uncommitted};
use crate::{Error, ErrorKind, Result};

/// A plan that is realized stage by stage, with a pause before each stage that has to be built: inspect the reason, let the
/// stage run, or [take](Self::take) it to build it by hand. Created by [`Realize::step`].
///
/// A stepping does nothing between calls, and has no threads. Published results stay in the store: you can drop the stepping
/// at any time, and another one, or a run, continues from there.
///
/// The equivalents in Pylightnix are `repl_realize`, `repl_build`, `repl_continue` and `repl_cancel`.
///
/// ```standalone_crate
/// # use pylightnix::prelude::*;
/// #[derive(Config)]
/// pub struct Data {
///     #[selfref("data.json")]
///     pub out: SelfRef<Json<Vec<i64>>>,
/// }
///
/// #[stage]
/// fn data(b: &Build<Data>) -> Result<DataOutputs> {
///     Ok(DataOutputs { out: b.out.save(&vec![1, 2, 3])? })
/// }
///
/// #[derive(Config)]
/// pub struct Sum {
///     #[selfref("sum.json")]
///     pub out: SelfRef<Json<i64>>,
///     #[dref]
///     pub data: DRef<Data>,
/// }
///
/// #[stage]
/// fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
///     Ok(SumOutputs { out: b.out.save(&b.data.out.load()?.iter().sum())? })
/// }
///
/// # fn main() -> Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("store"))?;
/// let total = instantiate(Sum::new(instantiate(Data::new())?))?;
/// let mut stepping = store.step(total.clone())?;
/// let next = stepping.next_to_build()?.expect("all is missing");
/// assert_eq!((next.dref.name().as_str(), next.reason.to_string()), ("data", "missing".to_owned()));
/// stepping.run_next()?;
///
/// // What does `sum` see? It can be tried here, by hand.
/// let mut b = stepping.take(&total)?;
/// assert_eq!(b.data.out.load()?, [1, 2, 3]);
/// let out = b.out.save(&b.data.out.load()?.iter().map(|x| x * x).sum())?;
/// b.finish(SumOutputs { out })?;
/// assert_eq!(stepping.run_all()?.out.load()?, 14);
///
/// // What was made by hand is not what `sum` makes, and is never taken for that.
/// assert!(store.plan(&total)?.to_string().contains("stale: it was made by hand"));
/// assert_eq!(store.realize(&total)?.out.load()?, 6);
/// # Ok(()) }
/// ```
pub struct Stepping<'a, T> {
    options: Realize<'a>,
    target: T,
    graph: Arc<PlanGraph>,
    /// The choices so far. Each stage is chosen once.
    taken: AlreadyChosen,
    /// Whether this process has write permission to the store.
    may_write: bool,
    shared: Arc<SharedStepping>,
}

/// The next stage that has to be built.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Paused {
    /// The derivation.
    pub dref: DRefId,
    /// The number of runs.
    pub runs: usize,
    /// The [`b.index()`](crate::lens::Build::index) of the first run.
    pub first: usize,
    /// The reason.
    pub reason: Reason,
    /// Why results from another context will count instead, if they do: then [`run_next`](Stepping::run_next) carries them, and
    /// [`take`](Stepping::take) makes the stage anew.
    pub carried: Option<CarriedWhy>,
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Paused { dref, reason, .. } = self;
        if let Some(why) = &self.carried {
            return write!(f, "{dref}: {why}");
        }
        match self.runs {
            1 => write!(f, "{dref}: {reason}"),
            runs => write!(f, "{dref}, {runs} runs: {reason}"),
        }
    }
}

impl Store {
    /// Steps through a plan: [`Realize::step`] with the default options.
    ///
    /// # Errors
    /// As [`Realize::step`].
    pub fn step<T: Target>(&self, target: T) -> Result<Stepping<'static, T>> {
        Realize::new(self).step(target)
    }
}

impl<'a> Realize<'a> {
    /// Steps through the plan of `target`, with the options of this run. Nothing runs yet.
    ///
    /// # Errors
    /// Fails if the plan contradicts itself, if a run-time argument is missing, or if the store cannot be read.
    pub fn step<T: Target>(mut self, target: T) -> Result<Stepping<'a, T>> {
        let graph = Arc::new(self.graph_of(&target)?);
        if arguments::any_missing(&self, &graph) {
            arguments::check(&self, &graph, &foresee(&self, &graph, None)?)?;
        }
        let drefs = graph.drefs().map(|stage| stage.id());
        if self.force_all {
            // Each stage is forced until it is built.
            self.force_all = false;
            self.forced.extend(drefs.clone().cloned());
        }
        let may_write = self.store.use_derivations(drefs)?;
        Ok(Stepping {
            options: self,
            target,
            graph,
            taken: AlreadyChosen::new(),
            may_write,
            shared: Arc::default(),
        })
    }
}

impl<'a, T: Target> Stepping<'a, T> {
    /// Advances to the first stage, in the order of the plan, that has to be built, and returns it with the reason; `None`
    /// if all stages are realized. Results that other processes have made in the meantime are taken.
    ///
    /// # Errors
    /// Fails if a matcher cannot choose, if the store cannot be read, or if a build by hand is not finished.
    pub fn next_to_build(&mut self) -> Result<Option<Paused>> {
        self.free()?;
        for at in 0..self.graph.len() {
            if let Some(paused) = self.decide(at)? {
                return Ok(Some(paused));
            }
        }
        Ok(None)
    }

    /// Runs the next stage that has to be built, as a run would, and returns which one it was; `None` if all stages are
    /// realized.
    ///
    /// # Errors
    /// As [`Realize::run`]. A stage that fails stays the next one: take it to find out why.
    pub fn run_next(&mut self) -> Result<Option<Paused>> {
        let Some(paused) = self.next_to_build()? else {
            return Ok(None);
        };
        let at = self.at(&paused.dref)?;
        let stage = self.graph.dref(at).clone();
        self.run(&stage)?;
        Ok(Some(paused))
    }

    /// Runs all dependencies of `dref`, a stage of the plan, and pauses before it. Returns `None` if it need not be built.
    ///
    /// # Errors
    /// As [`run_next`](Self::run_next). Also fails if the stage is not in the plan.
    pub fn run_to(&mut self, dref: impl AsRef<DRefId>) -> Result<Option<Paused>> {
        self.free()?;
        let at = self.at(dref.as_ref())?;
        let deps = self.graph.deps(at).iter();
        let deps: Vec<AnyDRef> = deps.map(|at| self.graph.dref(*at).clone()).collect();
        self.run(&deps)?;
        self.decide(at)
    }

    /// Takes a stage of the plan to build it by hand, and returns what its function would get. Runs all its dependencies
    /// first, as [`run_to`](Self::run_to) does. The stepping does not continue until the build is finished or cancelled.
    ///
    /// One build by hand is one run. If the stage takes several runs, its matcher may ask for more.
    ///
    /// # Errors
    /// As [`run_to`](Self::run_to). Also fails if the stage need not be built, or if this thread is building it by hand
    /// already.
    pub fn take<C: Config, Q: Cardinality>(&mut self, dref: &DRef<C, Q>) -> Result<ByHand<C>> {
        let Some(_) = self.run_to(dref)? else {
            return Err(self.nothing_to_build(dref.id()));
        };
        let at = self.at(dref.id())?;
        let (chosen, context) = self.context(at);
        let store = self.options.store.clone();
        let options = &self.options;
        let on_wait = &mut || options.notify(&Event::Waiting { dref: dref.id() });
        let go_on = || !options.cancel.as_ref().is_some_and(Cancel::is_cancelled);
        let lock = store.lock_build_while(dref.id(), &context, on_wait, &go_on)?;
        let lock = lock.ok_or_else(|| not_begun(self.graph.titled(dref.id())))?;
        // Another process may have built it while this one waited for the lock.
        let Some(paused) = self.decide(at)? else {
            return Err(self.nothing_to_build(dref.id()));
        };
        let stage = self.graph.dref(at);
        let Some(node) = stage.node_of::<C>() else {
            let message = format!(
                "{dref} is a `{}` in this plan, not a `{}`",
                stage.node().type_name(),
                std::any::type_name::<C>()
            );
            return Err(Error::new(ErrorKind::Plan, message));
        };
        arguments::check_one(&self.options, stage)?;
        ConfigChecks::default().check(&self.graph, at)?;
        let draft = store.draft_of(stage.id(), 0)?;
        promises::make_folders(stage.node(), draft.out())?;
        Uncommitted::ask();
        let mut record = BuildRecord::now(BuildKind::Build);
        record.choices = recorded_choices(&self.graph, at, |dep| {
            self.taken.get(self.graph.dref(dep).id())
        });
        // Nothing else runs, so these are the first units.
        let units = UnitPool::new(&self.options.resources.units).take(stage.node().limits());
        let build = node.build(Run {
            chosen: &chosen,
            out: draft.out(),
            cache: &store.cache_dir(),
            progress: ProgressSender::to(None),
            log: BuildLog::at(draft.log()),
            index: paused.first,
            site: site(
                stage,
                draft.scratch(),
                record.start,
                Arc::default(),
                units.own(),
            ),
            args: &self.options.args,
        })?;
        let find = || paused.reason.to_string();
        self.options.notify(&Event::Building {
            dref: dref.id(),
            runs: 1,
            reason: &paused.reason,
            why: &Brief::new(&find),
        });
        let parts = ByHandParts {
            dref: stage.clone(),
            store,
            chosen,
            context,
            record,
            draft,
            lock,
            shared: self.shared.clone(),
        };
        Ok(ByHand::new(build, parts))
    }

    /// Returns the choices so far for stages of the plan; `None` if one of them is not decided yet.
    pub fn chosen<U: Target + ?Sized>(&self, stages: &U) -> Option<U::Output> {
        let mut realized = Realizations::default();
        let mut all = true;
        stages.visit(&mut |dref| match self.taken.get(dref.id()) {
            Some(taken) => realized.insert(dref.id(), &taken.rrefs),
            None => all = false,
        });
        all.then(|| stages.collect(&realized))
    }

    /// Runs all remaining stages without pauses, and returns the realized target.
    ///
    /// # Errors
    /// As [`Realize::run`]. Choices that were made stay, so that any method can be called again.
    pub fn run_all(&mut self) -> Result<T::Output> {
        self.free()?;
        let choices = self.run_graph(self.graph.clone())?;
        for (at, stage) in self.graph.drefs().enumerate() {
            if let Some(taken) = choices.taken(at) {
                self.taken.insert(stage.id().clone(), taken.clone());
            }
        }
        self.options.forced.clear();
        let chosen = |at| choices.taken(at).map(|taken| &taken.rrefs);
        self.options.hand_out(&self.graph, &self.target, chosen)
    }

    /// Runs the rest of these stages and of their dependencies.
    fn run<U: Target>(&mut self, stages: &U) -> Result<()> {
        let graph = Arc::new(self.options.unchecked_graph_of(stages)?);
        if (graph.drefs()).all(|stage| self.taken.contains_key(stage.id())) {
            return Ok(());
        }
        let choices = self.run_graph(graph.clone())?;
        for (at, stage) in graph.drefs().enumerate() {
            if let Some(taken) = choices.taken(at) {
                self.took(stage.id(), taken.clone());
            }
        }
        Ok(())
    }

    /// Runs the rest of a plan that is listed already.
    fn run_graph(&self, graph: Arc<PlanGraph>) -> Result<Choices> {
        let list = |listed: &mut Listed<'_>| {
            graph.parts().iter().for_each(listed);
            Ok(graph)
        };
        let (_, choices, _) = run_plan(&self.options, list, &self.taken)?;
        Ok(choices)
    }

    /// Fails while a build by hand is not finished, because the stepping could wait for its lock forever. Takes over the
    /// results made by hand.
    fn free(&mut self) -> Result<()> {
        let shared = self.shared.lock();
        if let Some(dref) = &shared.in_hand {
            let message = format!("stage `{}` is being built by hand", self.graph.titled(dref));
            return Err(Error::new(ErrorKind::Plan, message).with_help(format!(
                "`finish` or `cancel` that build before the stepping goes on\nthe derivation is {dref}"
            )));
        }
        for made in shared.made.iter().skip(self.options.by_hand.len()) {
            self.options.forced.remove(made.dref());
        }
        self.options.by_hand.clone_from(&shared.made);
        Ok(())
    }

    /// Returns the stage, whose dependencies are chosen, if it has to be built. Otherwise records its choice.
    fn decide(&mut self, at: usize) -> Result<Option<Paused>> {
        let stage = self.graph.dref(at);
        let dref = stage.id();
        if self.taken.contains_key(dref) {
            return Ok(None);
        }
        let store = &self.options.store;
        let snapshot = store.fresh_snapshot(stage.config_json())?;
        if self.may_write {
            store.ensure_durable(&[(dref, &snapshot)])?;
        }
        let (chosen, context) = self.context(at);
        let source = CandidateSource::Snapshot(&snapshot);
        let input = DecisionInput::of(&self.options, &self.graph, stage, &chosen, &context, source);
        match input.decide(self.options.policy(dref))? {
            Decision::Build { due, reason } => {
                let policy = self.options.policy(dref);
                let found = match self.options.cut_off && may_carry(policy, &reason) {
                    true => carryable(&input, &BTreeSet::new(), policy)?,
                    false => None,
                };
                Ok(Some(Paused {
                    dref: dref.clone(),
                    runs: due.len(),
                    first: due.at(0),
                    reason,
                    carried: found.map(|found| found.why),
                }))
            }
            Decision::Never(why) => Err(matcher_refused(self.graph.titled(dref), &why)),
            Decision::Take { taken, .. } => {
                let ids: Vec<_> = taken.rrefs.iter().map(AnyRRef::id).collect();
                self.options.notify(&Event::Chosen {
                    dref,
                    rrefs: &ids,
                    built: ids.iter().any(|id| self.options.by_hand.contains(id)),
                    carried: false,
                    fetched: false,
                });
                let dref = dref.clone();
                self.took(&dref, taken);
                Ok(None)
            }
        }
    }

    fn took(&mut self, dref: &DRefId, taken: Taken) {
        self.options.forced.remove(dref);
        self.taken.insert(dref.clone(), taken);
    }

    /// Returns the choices for the dependencies of a stage, and its context.
    fn context(&self, at: usize) -> (Chosen, Context) {
        let chosen = chosen_for(&self.graph, at, |dep| {
            let taken = self.taken.get(self.graph.dref(dep).id())?;
            Some(taken.rrefs.clone())
        });
        let context = context_of(&chosen);
        (chosen, context)
    }

    fn at(&self, dref: &DRefId) -> Result<usize> {
        self.graph.place(dref).ok_or_else(|| {
            let message = format!("{dref} is not in the plan of this run");
            Error::new(ErrorKind::Plan, message).with_help(
                "name a stage that the target depends on, with the config that it has there",
            )
        })
    }

    fn nothing_to_build(&self, dref: &DRefId) -> Error {
        let there = self.taken.get(dref).map(|taken| {
            let ids = taken.rrefs.iter().map(|rref| format!("\n{}", rref.id()));
            format!("\nits matcher takes:{}", ids.collect::<String>())
        });
        let name = dref.name();
        let message = format!("stage `{}` need not be built", self.graph.titled(dref));
        Error::new(ErrorKind::Plan, message).with_help(format!(
            "`Realize::new(&store).force(&{name}).step(..)` has it built once more{}",
            there.unwrap_or_default()
        ))
    }
}

impl<T> fmt::Debug for Stepping<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, all) = (self.taken.len(), self.graph.len());
        write!(f, "Stepping({done} of {all} stages)")
    }
}
