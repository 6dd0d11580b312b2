//! Going through a plan stage by stage.

use std::fmt;
use std::sync::Arc;

use super::by_hand::{ByHand, Desk, Parts};
use crate::config::DRefId;
use crate::lens::{AnyRRef, BuildLog, Cardinality, Chosen, Config, ProgressSender};
use crate::plan::{AnyDRef, DRef, Listed, PlanGraph, Realizations, Run, Target};
use crate::realize::decide::arguments;
use crate::realize::decide::context::{chosen_for, context_of, recorded_choices};
use crate::realize::decide::decision::{CandidateSource, Decision, DecisionInput};
use crate::realize::execute::code::site;
use crate::realize::execute::configs::ConfigChecks;
use crate::realize::execute::promises;
use crate::realize::failure::errors::{matcher_refused, not_begun};
use crate::realize::foresee::foresee;
use crate::realize::options::Realize;
use crate::realize::report::event::{Brief, Event};
use crate::realize::report::reason::Reason;
use crate::realize::report::taken::Taken;
use crate::realize::run::choices::{AlreadyChosen, Choices};
use crate::realize::run::run_plan::run_plan;
use crate::realize::stop::cancel::Cancel;
use crate::store::{BuildKind, BuildRecord, Context, Store};
use crate::{Error, ErrorKind, Result};

/// A plan that is realized stage by stage, with a pause before each that has to be built: look at why, let it run, or
/// [take](Self::take) it into your own hands. [`Realize::step`] makes one.
///
/// Nothing runs while it is not asked to, and no thread waits. What is published stays, whatever becomes of the stepping:
/// it can be dropped at any time, and another one, or a run, goes on from there.
///
/// In Pylightnix these are `repl_realize`, `repl_build`, `repl_continue` and `repl_cancel`.
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
    /// What is chosen so far. Nothing is chosen twice.
    taken: AlreadyChosen,
    /// Whether this process may write to the store.
    may_write: bool,
    desk: Arc<Desk>,
}

/// A stage that is to be built next.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Paused {
    /// The derivation.
    pub dref: DRefId,
    /// How many runs it takes.
    pub runs: usize,
    /// What [`b.index()`](crate::lens::Build::index) of the first of them is.
    pub first: usize,
    /// Why it has to be built.
    pub reason: Reason,
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Paused { dref, reason, .. } = self;
        match self.runs {
            1 => write!(f, "{dref}: {reason}"),
            runs => write!(f, "{dref}, {runs} runs: {reason}"),
        }
    }
}

impl Store {
    /// Goes through a plan stage by stage: [`Realize::step`] with the usual options.
    ///
    /// # Errors
    /// As [`Realize::step`].
    pub fn step<T: Target>(&self, target: T) -> Result<Stepping<'static, T>> {
        Realize::new(self).step(target)
    }
}

impl<'a> Realize<'a> {
    /// Goes through the plan of `target` stage by stage, with the options of this run. Nothing runs yet.
    ///
    /// # Errors
    /// A plan that contradicts itself, a run-time argument that is missing, or a store that cannot be read.
    pub fn step<T: Target>(mut self, target: T) -> Result<Stepping<'a, T>> {
        let graph = Arc::new(self.graph_of(&target)?);
        if arguments::any_missing(&self, &graph) {
            arguments::check(&self, &graph, &foresee(&self, &graph, None)?)?;
        }
        let drefs = graph.drefs().map(|stage| stage.id());
        if self.force_all {
            // Each is forced until it is built.
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
            desk: Arc::default(),
        })
    }
}

impl<'a, T: Target> Stepping<'a, T> {
    /// Goes on to the first stage that has to be built, in the order of the plan, and says what it is and why; `None` if
    /// all is realized. Results that other processes have made by now are taken.
    ///
    /// # Errors
    /// A matcher that cannot choose, a store that cannot be read, or a build by hand that is not finished.
    pub fn next_to_build(&mut self) -> Result<Option<Paused>> {
        self.free()?;
        for at in 0..self.graph.len() {
            if let Some(paused) = self.look(at)? {
                return Ok(Some(paused));
            }
        }
        Ok(None)
    }

    /// Lets the next stage that has to be built run, as in a usual run, and says which it was; `None` if all is realized.
    ///
    /// # Errors
    /// As [`Realize::run`]. A stage that fails is still the next one: it can be taken into hand to see why.
    pub fn run_next(&mut self) -> Result<Option<Paused>> {
        let Some(paused) = self.next_to_build()? else {
            return Ok(None);
        };
        let at = self.at(&paused.dref)?;
        let stage = self.graph.dref(at).clone();
        self.run(&stage)?;
        Ok(Some(paused))
    }

    /// Lets all stages run that `dref`, a stage of the plan, depends on, and pauses before it. Returns `None` if it need not
    /// be built.
    ///
    /// # Errors
    /// As [`run_next`](Self::run_next), and a stage that is not in the plan.
    pub fn run_to(&mut self, dref: impl AsRef<DRefId>) -> Result<Option<Paused>> {
        self.free()?;
        let at = self.at(dref.as_ref())?;
        let deps = self.graph.deps(at).iter();
        let deps: Vec<AnyDRef> = deps.map(|at| self.graph.dref(*at).clone()).collect();
        self.run(&deps)?;
        self.look(at)
    }

    /// Takes a stage of the plan into your own hands: gives what its function would get. All that it depends on is run
    /// first, as [`run_to`](Self::run_to) does. Until the build is finished or cancelled, this stepping does not go on.
    ///
    /// A stage that takes several runs is taken for one of them; then its matcher says whether it wants more.
    ///
    /// # Errors
    /// A stage that is not in the plan, need not be built, or is in the hands of this thread already. Else as [`run_to`](Self::run_to).
    pub fn take<C: Config, Q: Cardinality>(&mut self, dref: &DRef<C, Q>) -> Result<ByHand<C>> {
        let Some(_) = self.run_to(dref)? else {
            return Err(self.nothing_to_build(dref.id()));
        };
        let at = self.at(dref.id())?;
        let (chosen, context) = self.context(at);
        let store = self.options.store.clone();
        let options = &self.options;
        let on_wait = &mut || options.tell(&Event::Waiting { dref: dref.id() });
        let go_on = || !options.cancel.as_ref().is_some_and(Cancel::is_cancelled);
        let lock = store.lock_build_while(dref.id(), &context, on_wait, &go_on)?;
        let lock = lock.ok_or_else(|| not_begun(self.graph.titled(dref.id())))?;
        // Another process may just have made it.
        let Some(paused) = self.look(at)? else {
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
        let mut record = BuildRecord::now(BuildKind::Build);
        record.choices = recorded_choices(&self.graph, at, |dep| {
            self.taken.get(self.graph.dref(dep).id())
        });
        let build = node.build(Run {
            chosen: &chosen,
            out: draft.out(),
            cache: &store.cache_dir(),
            progress: ProgressSender::to(None),
            log: BuildLog::at(draft.log()),
            index: paused.first,
            site: site(stage, &draft, record.start, Arc::default()),
            args: &self.options.args,
        })?;
        let find = || paused.reason.to_string();
        self.options.tell(&Event::Building {
            dref: dref.id(),
            runs: 1,
            reason: &paused.reason,
            why: &Brief::new(&find),
        });
        let parts = Parts {
            dref: stage.clone(),
            store,
            chosen,
            context,
            record,
            draft,
            lock,
            desk: self.desk.clone(),
        };
        Ok(ByHand::new(build, parts))
    }

    /// Returns what is chosen so far for stages of the plan; `None` if one of them was not reached yet.
    pub fn chosen<U: Target + ?Sized>(&self, stages: &U) -> Option<U::Output> {
        let mut realized = Realizations::default();
        let mut all = true;
        stages.visit(&mut |dref| match self.taken.get(dref.id()) {
            Some(taken) => realized.insert(dref.id(), &taken.rrefs),
            None => all = false,
        });
        all.then(|| stages.collect(&realized))
    }

    /// Lets all that is left run without a pause, and gives the realized target.
    ///
    /// # Errors
    /// As [`Realize::run`]. What is chosen stays so: this, or anything else, can be tried again.
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
        Ok(self.graph.collect(&self.target, chosen))
    }

    /// Runs what is left of these stages, and of what they depend on.
    fn run<U: Target>(&mut self, stages: &U) -> Result<()> {
        let graph = Arc::new(PlanGraph::of(stages)?);
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

    /// Runs what is left of a plan that is listed already.
    fn run_graph(&self, graph: Arc<PlanGraph>) -> Result<Choices> {
        let list = |listed: &mut Listed<'_>| {
            graph.parts().iter().for_each(listed);
            Ok(graph)
        };
        let (_, choices, _) = run_plan(&self.options, list, &self.taken)?;
        Ok(choices)
    }

    /// Fails while a build by hand is not finished: the stepping could wait for its lock for ever. Notes what was made by hand.
    fn free(&mut self) -> Result<()> {
        let desk = self.desk.look();
        if let Some(dref) = &desk.in_hand {
            let message = format!("stage `{}` is being built by hand", self.graph.titled(dref));
            return Err(Error::new(ErrorKind::Plan, message).help(format!(
                "`finish` or `cancel` that build before the stepping goes on\nit is about {dref}"
            )));
        }
        for made in desk.made.iter().skip(self.options.by_hand.len()) {
            self.options.forced.remove(made.dref());
        }
        self.options.by_hand.clone_from(&desk.made);
        Ok(())
    }

    /// Whether this stage, whose dependencies are chosen, has to be built. If not, its choice is noted.
    fn look(&mut self, at: usize) -> Result<Option<Paused>> {
        let stage = self.graph.dref(at);
        let dref = stage.id();
        if self.taken.contains_key(dref) {
            return Ok(None);
        }
        let store = &self.options.store;
        let snapshot = store.fresh_snapshot(stage.config_json())?;
        if self.may_write {
            store.settle(&[(dref, &snapshot)])?;
        }
        let (chosen, context) = self.context(at);
        let source = CandidateSource::Snapshot(&snapshot);
        let input = DecisionInput::of(&self.options, &self.graph, stage, &chosen, &context, source);
        match input.decide(self.options.mode(dref))? {
            Decision::Build { due, reason } => Ok(Some(Paused {
                dref: dref.clone(),
                runs: due.len(),
                first: due.at(0),
                reason,
            })),
            Decision::Never(why) => Err(matcher_refused(self.graph.titled(dref), &why)),
            Decision::Take { taken, .. } => {
                let ids: Vec<_> = taken.rrefs.iter().map(AnyRRef::id).collect();
                self.options.tell(&Event::Chosen {
                    dref,
                    rrefs: &ids,
                    built: ids.iter().any(|id| self.options.by_hand.contains(id)),
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

    /// Returns what is chosen for the dependencies of a stage, and its context.
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
            Error::new(ErrorKind::Plan, message)
                .help("name a stage that the target depends on, with the config that it has there")
        })
    }

    fn nothing_to_build(&self, dref: &DRefId) -> Error {
        let there = self.taken.get(dref).map(|taken| {
            let ids = taken.rrefs.iter().map(|rref| format!("\n{}", rref.id()));
            format!("\nits matcher takes:{}", ids.collect::<String>())
        });
        let name = dref.name();
        let message = format!("stage `{}` need not be built", self.graph.titled(dref));
        Error::new(ErrorKind::Plan, message).help(format!(
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
