//! What a user asks of a plan: run it, say what a run would do, give what is realized.

use std::sync::Arc;

use super::ask::dry::dry_run;
use super::ask::realized::realized;
use super::options::Realize;
use super::report::action::DryPlan;
use super::report::totals::Report;
use super::run::choices::AlreadyChosen;
use super::run::run_plan::run_plan;
use crate::plan::{Listed, PlanGraph, Target};
use crate::store::Store;
use crate::{Error, Result};

impl Store {
    /// Realizes a target: [`Realize::run`] with the usual options. What is there and current is reused.
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

    /// Instantiates and realizes in one go: calls `plan`, a function that makes a target, and realizes what it gives.
    ///
    /// The same is `store.realize(&experiment()?)`; this is for a plan that nobody needs afterwards. The target may be of
    /// any shape: a `DRef`, a tuple, an array, a `Vec` or a map of targets.
    ///
    /// # Errors
    /// Those of `plan`, of which it returns the type, and those of [`Realize::run`].
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

    /// What is realized of a target, if nothing has to run for it: [`Realize::realized`] with the usual options.
    ///
    /// # Errors
    /// As [`Realize::realized`].
    pub fn realized<T: Target + ?Sized>(&self, target: &T) -> Result<T::Output> {
        Realize::new(self).realized(target)
    }

    /// Says what realizing a target would do, and why, and does nothing: [`Realize::plan`] with the usual options.
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
    /// What it gives can be looked into all the way down, and keeps what this run knows of its whole plan until the last of
    /// it is dropped: from a large one, keep what you need of it, or [open](Store::realization_as) its reference anew.
    ///
    /// # Errors
    /// A plan that contradicts itself; a run-time argument that is missing; a stage that fails, panics or does not keep a
    /// promise; a matcher that cannot choose; a store that cannot be read or written. What is published by then stays.
    pub fn run<T: Target + ?Sized>(&self, target: &T) -> Result<T::Output> {
        Ok(self.run_reporting(target)?.0)
    }

    /// Realizes the target and says what that took.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_reporting<T: Target + ?Sized>(&self, target: &T) -> Result<(T::Output, Report)> {
        let list = |listed: &mut Listed<'_>| {
            Ok(Arc::new(self.checked(PlanGraph::telling(target, listed)?)?))
        };
        let (graph, choices, report) = run_plan(self, list, &AlreadyChosen::new())?;
        let chosen = |at| choices.taken(at).map(|taken| &taken.rrefs);
        Ok((graph.collect(target, chosen), report))
    }

    /// What [`run`](Self::run) would give, if nothing has to run for it: asserts that all stages of the plan are realized,
    /// by today's code, and that their matchers want no more. It writes no result, ever, and needs no run-time arguments.
    ///
    /// # Errors
    /// Stages that would have to run: the error says which and why ([`ErrorKind::Missing`](crate::ErrorKind::Missing)). Else as [`run`](Self::run).
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
        Ok(graph.collect(target, |at| chosen.get(at)))
    }

    /// Says for each stage what a run would do, and why, and does nothing.
    ///
    /// # Errors
    /// A plan that contradicts itself, or a store that cannot be read.
    pub fn plan<T: Target + ?Sized>(&self, target: &T) -> Result<DryPlan> {
        dry_run(self, self.graph_of(target)?, false)
    }

    /// As [`plan`](Self::plan), and says of the first 300 stages that have something to do what changed: [`Step::why`]. What
    /// changed in a dependency is followed to the stage that changed first. It takes a millisecond or so for each.
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
        dry_run(self, self.graph_of(target)?, true)
    }

    /// The plan, which has to have all stages that are forced.
    pub(in crate::realize) fn graph_of<T: Target + ?Sized>(&self, target: &T) -> Result<PlanGraph> {
        self.checked(PlanGraph::of(target)?)
    }
}
