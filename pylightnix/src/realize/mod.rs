//! Realizing plans: what is there is reused, what is missing or stale is built.
//!
//! For each derivation, in dependency order and as many at once as the jobs allow: the chosen realizations of its direct
//! dependencies are its context; its realizations with that context and today's code are the candidates; the matcher takes
//! some of them, or has new ones built.

mod accept;
mod ahead;
mod arguments;
mod build;
mod by_hand;
mod cancel;
mod configs;
mod context;
mod current;
mod decide;
mod determinism;
mod double;
mod dry;
mod event;
mod failed;
mod failure;
mod find;
mod full;
mod hits;
mod ledger;
mod lookout;
mod needed;
mod open;
mod options;
mod panics;
mod progress;
mod promises;
mod ran;
mod realized;
mod references;
mod report;
mod resources;
mod run;
mod runs;
mod scheduler;
#[cfg(feature = "signals")]
mod signals;
mod stepping;
mod stock;
mod titles;
mod tries;
mod warden;
pub mod why;

pub use by_hand::ByHand;
pub use cancel::Cancel;
pub use current::Stale;
pub use decide::Reason;
pub use determinism::{Determinism, FileDifference, Rebuild};
pub use dry::{Action, DryPlan, Step};
pub use event::{Event, Observer};
pub use find::{FindStage, FindingStage};
pub use options::Realize;
pub use report::Report;
pub use resources::{bytes, duration};
pub use stepping::{Paused, Stepping};
pub use titles::Titles;

use crate::plan::Target;
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
    /// let store = Store::open_at(folder.path().join("store"))?;
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
    /// # let store = Store::open_at(folder.path().join("store"))?;
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
