//! The verbs of a run: run a plan, predict what a run would do, return what is realized.

use std::sync::Arc;

use super::ask::dry::{Explained, dry_run};
use super::ask::realized::realized;
use super::options::Realize;
use super::orders::serve::OrderTask;
use super::processes::worker::{Worker, WorkerInput};
use super::report::action::DryPlan;
use super::report::totals::Report;
use super::run::run_plan::run_plan;
use crate::plan::{AnyDRef, Listed, PlanGraph, Target};
use crate::store::Store;
use crate::{Error, Result};

impl Store {
    /// Realizes a target: [`Realize::run`] with the default options. Reuses existing results that are current.
    ///
    /// # Errors
    /// As [`Realize::run`].
    ///
    /// ```
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Greeting { #[selfref("hello.txt")] pub out: SelfRef<Text> }
    /// # #[stage] fn greeting(b: &Build<Greeting>) -> Result<GreetingOutputs> {
    /// #     Ok(GreetingOutputs { out: b.out.save("hello\n")? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// let store = Store::open(folder.path().join("store"))?;
    /// let rref = store.realize(&instantiate(Greeting::new())?)?;
    /// assert_eq!(rref.out.load()?, "hello\n");
    /// # Ok(()) }
    /// ```
    pub fn realize<T: Target + ?Sized>(&self, target: &T) -> Result<T::Output> {
        Realize::new(self).run(target)
    }

    /// Instantiates and realizes a plan: calls `plan`, a function that makes a target, and realizes the target.
    ///
    /// Equivalent to `store.realize(&experiment()?)`, for a plan that is not needed afterwards. The target may have any
    /// shape: a `DRef`, a tuple, an array, a `Vec` or a map of targets.
    ///
    /// # Errors
    /// The errors of `plan`, whose type it returns, and those of [`Realize::run`].
    ///
    /// ```
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Number { #[selfref("n.json")] pub out: SelfRef<Json<u64>>, n: u64 }
    /// # #[stage] fn number(b: &Build<Number>) -> Result<NumberOutputs> {
    /// #     Ok(NumberOutputs { out: b.out.save(&b.n)? })
    /// # }
    /// fn experiment() -> Result<DRef<Number>> {
    ///     Ok(instantiate(Number::new(1))?)
    /// }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    ///
    /// let one = store.evaluate(experiment)?;
    /// let two = store.evaluate(|| instantiate(Number::new(2)))?;
    /// let (same, more) = store.evaluate(|| -> Result<_> {
    ///     let more: Result<Vec<_>, _> = (3..6).map(|n| instantiate(Number::new(n))).collect();
    ///     Ok((experiment()?, more?))
    /// })?;
    /// assert_eq!(same, one);
    /// assert_eq!(two.out.load()? + more[2].out.load()?, 7);
    /// # Ok(()) }
    /// ```
    pub fn evaluate<T: Target, E: From<Error>>(
        &self,
        plan: impl FnOnce() -> Result<T, E>,
    ) -> Result<T::Output, E> {
        Ok(self.realize(&plan()?)?)
    }

    /// Returns the realizations of a target if nothing has to run: [`Realize::realized`] with the default options.
    ///
    /// # Errors
    /// As [`Realize::realized`].
    pub fn realized<T: Target + ?Sized>(&self, target: &T) -> Result<T::Output> {
        Realize::new(self).realized(target)
    }

    /// Predicts what realizing a target would do, with reasons, without running anything: [`Realize::plan`] with the default
    /// options.
    ///
    /// # Errors
    /// As [`Realize::plan`].
    pub fn plan<T: Target + ?Sized>(&self, target: &T) -> Result<DryPlan> {
        Realize::new(self).plan(target)
    }
}

impl Realize<'_> {
    /// Realizes the target.
    ///
    /// The result gives access to all its dependencies, and keeps the state of this run for its whole plan until it is
    /// dropped. For a large plan, keep only what you need, or look up the reference again with [`Store::realization_as`].
    ///
    /// # Errors
    /// Fails if the plan contradicts itself; if a run-time argument is missing; if a stage fails, panics or breaks a
    /// promise; if a matcher cannot choose; or if the store cannot be read or written. Results that were published stay in
    /// the store.
    pub fn run<T: Target + ?Sized>(&self, target: &T) -> Result<T::Output> {
        Ok(self.run_reporting(target)?.0)
    }

    /// Realizes the target, and returns the totals of the run as well.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_reporting<T: Target + ?Sized>(&self, target: &T) -> Result<(T::Output, Report)> {
        let list = |listed: &mut Listed<'_>| {
            Ok(Arc::new(self.checked(PlanGraph::counting(
                target,
                &self.counts,
                listed,
            )?)?))
        };
        let (graph, choices, report) = run_plan(self, list, &self.given)?;
        let chosen = |at| choices.taken(at).map(|taken| &taken.rrefs);
        Ok((self.hand_out(&graph, target, chosen)?, report))
    }

    /// Returns what [`run`](Self::run) would return if nothing has to run: asserts that all stages of the plan are realized
    /// by today's code, and that their matchers want no more realizations. Never builds anything, and needs no run-time
    /// arguments.
    ///
    /// # Errors
    /// Fails if stages would have to run ([`ErrorKind::Missing`](crate::ErrorKind::Missing)); the message lists them with
    /// the reasons. Otherwise as [`run`](Self::run).
    ///
    /// ```
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Welcome { #[selfref("hello.txt")] pub out: SelfRef<Text> }
    /// # #[stage] fn welcome(b: &Build<Welcome>) -> Result<WelcomeOutputs> {
    /// #     Ok(WelcomeOutputs { out: b.out.save("hello\n")? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let welcome = instantiate(Welcome::new())?;
    /// let missing = Realize::new(&store).realized(&welcome).unwrap_err();
    /// assert!(format!("{missing:?}").contains("stage `welcome` would have to run: missing"));
    ///
    /// let rref = store.realize(&welcome)?;
    /// assert_eq!(Realize::new(&store).realized(&welcome)?, rref);
    /// # Ok(()) }
    /// ```
    pub fn realized<T: Target + ?Sized>(&self, target: &T) -> Result<T::Output> {
        let graph = self.graph_of(target)?;
        let chosen = realized(self, &graph)?;
        self.hand_out(&graph, target, |at| chosen.get(at))
    }

    /// Predicts what a run would do for each stage, with the reason, without running anything.
    ///
    /// # Errors
    /// Fails if the plan contradicts itself, or if the store cannot be read.
    pub fn plan<T: Target + ?Sized>(&self, target: &T) -> Result<DryPlan> {
        dry_run(self, self.graph_of(target)?, Explained::No)
    }

    /// As [`plan`](Self::plan), with a summary of what changed for the first 300 stages that would run: [`Step::why`]. A
    /// change in a dependency is traced back to the stages that changed first. This takes about a millisecond for each
    /// stage.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// # #[derive(Config)] pub struct Load { #[selfref("w")] out: SelfRef<Text>, path: String }
    /// # #[stage] fn load(b: &Build<Load>) -> Result<LoadOutputs> { Ok(LoadOutputs { out: b.out.save(&b.path)? }) }
    /// # #[derive(Config)] pub struct Train { #[dref] data: DRef<Load> }
    /// # #[stage] fn train(b: &Build<Train>) -> Result<()> { Ok(()) }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// let plan = |path: &str| instantiate(Train::new(instantiate(Load::new(path.to_owned()))?));
    /// store.realize(&plan("a.csv")?)?;
    /// let steps = Realize::new(&store).explain(&plan("b.csv")?)?.steps;
    /// assert_eq!(steps[0].why.as_deref(), Some(r#"config changed: path "a.csv" -> "b.csv""#));
    /// assert_eq!(steps[1].why.as_deref(), Some(r#"from `load`: path "a.csv" -> "b.csv""#));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    ///
    /// [`Step::why`]: crate::realize::Step::why
    pub fn explain<T: Target + ?Sized>(&self, target: &T) -> Result<DryPlan> {
        dry_run(self, self.graph_of(target)?, Explained::Changes)
    }

    /// As [`explain`](Self::explain), and says of each stage that is to be done what the [remotes](Self::remote) have:
    /// [`Step::at_remotes`]. Each remote is asked once, for its index; if there is nothing to do, none is. Nothing is built or fetched.
    ///
    /// What a matcher will choose among what is at a remote is not known before it is fetched. So of a stage whose dependencies are still to be
    /// done, all results by today's code are counted.
    ///
    /// ```
    /// # use pylightnix::prelude::*;
    /// use pylightnix::store::remote::{Push, Remote};
    /// # #[derive(Config)] pub struct Sum { #[selfref("sum.json")] pub out: SelfRef<Json<u64>>, pub upto: u64 }
    /// # #[stage] fn sum(b: &Build<Sum>) -> Result<SumOutputs> {
    /// #     Ok(SumOutputs { out: b.out.save(&(1..=b.upto).sum())? })
    /// # }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ada = Store::open(folder.path().join("ada"))?;
    /// # let ben = Store::open(folder.path().join("ben"))?;
    /// # let remote = Remote::open(&folder.path().join("shared").to_string_lossy())?;
    /// let plan = instantiate(Sum::new(5))?;
    /// Push::new(&ada, &remote).run([ada.realize(&plan)?])?;
    /// let steps = Realize::new(&ben).remote(&remote).explain_remote(&plan)?.steps;
    /// assert_eq!((steps[0].action.word(), steps[0].at_remotes[0].results), ("build", 1));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`plan`](Self::plan), and if a remote cannot be read.
    ///
    /// [`Step::at_remotes`]: crate::realize::Step::at_remotes
    pub fn explain_remote<T: Target + ?Sized>(&self, target: &T) -> Result<DryPlan> {
        dry_run(self, self.graph_of(target)?, Explained::WithRemotes)
    }

    /// Runs stages of a plan, in a process that another run started for that.
    pub(crate) fn serve(&self, worker: &Worker, stages: &[AnyDRef]) {
        let input = WorkerInput {
            store: &self.store,
            args: &self.args,
            counts: &self.counts,
        };
        worker.serve(&input, stages);
    }

    /// Makes the builds of an order with stages of a plan, in a process that an executor started for that. Returns the exit status.
    pub(crate) fn carry_out(self, task: &OrderTask, stages: &[AnyDRef]) -> i32 {
        task.serve(self, stages)
    }

    /// Lists the plan of a target, and checks that it has all stages that the options name.
    pub(in crate::realize) fn graph_of<T: Target + ?Sized>(&self, target: &T) -> Result<PlanGraph> {
        self.checked(self.unchecked_graph_of(target)?)
    }

    /// Lists a plan which need not have all stages that the options name.
    pub(in crate::realize) fn unchecked_graph_of<T: Target + ?Sized>(
        &self,
        target: &T,
    ) -> Result<PlanGraph> {
        PlanGraph::counting(target, &self.counts, &mut |_| ())
    }
}
