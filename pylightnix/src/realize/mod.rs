//! Realizing plans: what is there is reused, what is missing or stale is built.
//!
//! For each derivation, in dependency order and as many at once as the jobs allow: the chosen realizations of its direct
//! dependencies are its context; its realizations with that context and today's code are the candidates; the matcher takes
//! some of them, or has new ones built.

mod accept;
mod build;
mod cancel;
mod context;
mod current;
mod decide;
mod dry;
mod event;
mod failure;
mod ledger;
mod needed;
mod open;
mod options;
mod report;
mod resources;
mod run;
mod scheduler;
#[cfg(feature = "signals")]
mod signals;
mod tries;
mod warden;

pub use cancel::Cancel;
pub use current::Stale;
pub use decide::Reason;
pub use dry::{Action, DryPlan, Step};
pub use event::{Event, Observer};
pub use options::Realize;
pub use report::Report;
pub use resources::bytes;

use crate::Result;
use crate::plan::Target;
use crate::store::Store;

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

    /// Says what realizing a target would do, and why, and does nothing: [`Realize::plan`] with the usual options.
    ///
    /// # Errors
    /// As [`Realize::plan`].
    pub fn plan<T: Target + ?Sized>(&self, target: &T) -> Result<DryPlan> {
        Realize::new(self).plan(target)
    }
}
