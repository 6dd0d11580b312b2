//! Matchers: what chooses among the realizations of a derivation.
//!
//! `#[stage(matcher = lowest(key))]` knows their names without an import. Elsewhere they are `matcher::lowest(key)`, with the
//! module from the prelude, or `dref.lowest(key)` for short.
//!
//! Functions that they ask, keys and predicates, return the prelude's `Result`, so that closures need no types; one with
//! another error is wrapped, `|run| Ok(key(run)?)`.

mod best;
mod choice;
mod filter;
mod function;
mod key;
mod many;
mod one;

use std::any::Any;

use crate::config::RRefId;
use crate::lens::{Cardinality, Config, Many, One, RRef, Try};
use crate::{BoxError, Result};

pub use best::{BestBy, BestN, highest, highest_n, lowest, lowest_n};
pub use choice::Choice;
pub use filter::Filter;
pub use key::{Key, Ordered};
pub use many::{
    All, ExactMany, LatestN, PickMany, SomeN, all, exact_many, latest_n, pick_many, some,
};
pub use one::{Exact, Latest, Only, Pick, exact, latest, only, pick};

/// Chooses among the realizations of a derivation of `C`, or asks for new ones.
///
/// The candidates are those with the wanted context and today's code, sorted by reference. A choice has to be the same
/// wherever the same realizations and build records are: break ties by reference.
///
/// ```
/// use pylightnix::prelude::*;
/// use pylightnix::BoxError;
///
/// /// The first that was made within a minute.
/// struct Quick;
///
/// impl<C: Config> Matcher<C> for Quick {
///     type Card = One;
///
///     fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
///         let quick = |run: &&RRef<C>| run.builds().iter().any(|build| build.seconds() < 60.);
///         Ok(match candidates.iter().find(quick) {
///             Some(run) => Choice::Take(vec![run.clone()]),
///             None => Choice::Build(1),
///         })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a matcher of `{C}`",
    label = "not a matcher of `{C}`",
    note = "matchers of one are `only()`, `latest()`, `lowest(key)`, `highest(key)`, `exact(id)`, `pick(f)`; of many `all()`, \
            `some(n)`, `latest_n(n)`, `lowest_n(n, key)`, `highest_n(n, key)`, `exact_many(ids)`, `pick_many(f)`",
    note = "a key is a function `fn(&RRef<{C}>) -> Result<K>` whose `K` is a number, a text, or another `Key`"
)]
pub trait Matcher<C: Config>: Send + Sync + 'static {
    /// How many it takes: [`One`] or [`Many`], or [`Try<One>`](Try), when it chooses one success, and a failure will do when
    /// it would have one built.
    type Card: Cardinality;

    /// Chooses.
    ///
    /// # Errors
    /// Any error; it fails the stage, and the library names it.
    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError>;

    /// Whether it takes a candidate that is the only one, whatever that is. Then it is not asked about one beside which there
    /// is nothing with the same context, not even a failure or a stale result.
    fn takes_the_only(&self) -> bool {
        false
    }

    /// The realizations without which it can choose nothing: a run looks for them before any stage runs.
    fn needs(&self) -> &[RRefId] {
        &[]
    }

    /// Whether the two always choose alike, so that both may stand for one derivation in one plan.
    fn same_as(&self, other: &Self) -> bool
    where
        Self: Sized,
    {
        let _ = other;
        false
    }

    /// What it is, for people: build records name the matchers that chose what a stage was made from.
    fn describe(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// The same choice among those candidates only that `predicate` holds for.
    fn filter<P>(self, predicate: P) -> Filter<Self, C>
    where
        Self: Sized,
        P: Fn(&RRef<C>) -> Result<bool, BoxError> + Send + Sync + 'static, // another error: |run| Ok(f(run)?), none: |run| Ok(f(run))
    {
        Filter::new(self, predicate)
    }
}

/// A matcher whose type is forgotten.
pub(crate) trait AnyMatcher<C: Config>: Any + Send + Sync {
    fn takes_the_only(&self) -> bool;
    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError>;
    fn needs(&self) -> &[RRefId];
    fn describe(&self) -> String;
    fn same_as(&self, other: &dyn AnyMatcher<C>) -> bool;
}

/// A matcher that a plan gives.
pub(crate) struct Given<M>(pub(crate) M);

impl<C: Config, M: Matcher<C>> AnyMatcher<C> for Given<M> {
    fn takes_the_only(&self) -> bool {
        self.0.takes_the_only()
    }

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        self.0.select(candidates)
    }

    fn needs(&self) -> &[RRefId] {
        self.0.needs()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }

    fn same_as(&self, other: &dyn AnyMatcher<C>) -> bool {
        let other: &dyn Any = other;
        other
            .downcast_ref::<Self>()
            .is_some_and(|other| self.0.same_as(&other.0))
    }
}

/// The kinds of matcher that `#[stage]` takes without `many`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this matcher takes many realizations",
    label = "takes many",
    note = "add `many` to `#[stage(..)]`, or use a matcher of one: `only()`, `latest()`, `lowest(key)`, `highest(key)`, \
            `exact(id)`, `pick(f)`"
)]
pub trait TakesOne {}

/// The kinds of matcher that `#[stage]` takes with `many`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this matcher takes one realization",
    label = "takes one",
    note = "remove `many` from `#[stage(..)]`, or use a matcher of many: `all()`, `some(n)`, `latest_n(n)`, \
            `lowest_n(n, key)`, `highest_n(n, key)`, `exact_many(ids)`, `pick_many(f)`"
)]
pub trait TakesMany {}

impl TakesOne for One {}
impl TakesOne for Try<One> {}
impl TakesMany for Many {}
