//! Matchers, which choose among the realizations of a derivation.
//!
//! In `#[stage(matcher = lowest(key))]` their names need no import. Elsewhere write `matcher::lowest(key)`, with the module
//! from the prelude, or `dref.lowest(key)` for short.
//!
//! Keys and predicates return the `Result` of the prelude, so that closures need no type annotations. Wrap a function with
//! another error type: `|run| Ok(key(run)?)`.

mod best;
mod choice;
mod filter;
mod function;
mod key;
mod many;
mod one;
mod reading;

use std::any::Any;
use std::fmt;

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
pub use reading::{ReadArtifacts, ReadingOnly};

/// Chooses among the realizations of a derivation of `C`, or asks for new ones.
///
/// The candidates are the realizations with the wanted context and today's code, sorted by reference. A choice must depend
/// only on the realizations and their build records: break ties by reference.
///
/// ```
/// use pylightnix::prelude::*;
/// use pylightnix::BoxError;
///
/// /// The first realization that was made within a minute.
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
    /// The number of realizations that the matcher chooses: [`One`] or [`Many`], or [`Try<One>`](Try) for one success, or a
    /// recorded failure instead of a build.
    type Card: Cardinality;

    /// Chooses among the candidates.
    ///
    /// # Errors
    /// The matcher cannot decide. The error fails the stage; the library adds the name of the stage.
    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError>;

    /// Returns whether the matcher always takes a single candidate. Then it is not called if the candidate is the only
    /// realization with this context, including failures and stale results.
    ///
    /// Only matchers of this library can return `true`, because a wrong answer would silently give wrong results.
    #[doc(hidden)]
    fn takes_the_only(&self, _: OfTheLibrary) -> bool {
        false
    }

    /// Returns the realizations that the matcher requires. A run checks that they exist before any stage runs.
    fn needs(&self) -> &[RRefId] {
        &[]
    }

    /// Returns which artifacts of the candidates the matcher reads. A run that takes results from a remote fetches those of all candidates
    /// before it calls the matcher.
    fn read_artifacts(&self) -> ReadArtifacts {
        ReadArtifacts::All
    }

    /// Returns whether both matchers always make the same choice, so that a plan may contain both for one derivation.
    fn same_as(&self, other: &Self) -> bool
    where
        Self: Sized,
    {
        let _ = other;
        false
    }

    /// Returns a description for messages and build records, which name the matchers that chose the dependencies.
    fn describe(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// Returns a matcher that considers only candidates for which `predicate` holds.
    fn filter<P>(self, predicate: P) -> Filter<Self, C>
    where
        Self: Sized,
        P: Fn(&RRef<C>) -> Result<bool, BoxError> + Send + Sync + 'static, // another error: |run| Ok(f(run)?), none: |run| Ok(f(run))
    {
        Filter::new(self, predicate)
    }

    /// Returns the same matcher, with the promise that of artifacts it reads nothing but the one at `path`, or in the folder at `path`; of
    /// several calls, each names one.
    ///
    /// Only these are fetched of candidates at a remote ([`Realize::remote`](crate::realize::Realize::remote)), however large the
    /// others are. `only()`, `latest()` and the like read none.
    ///
    /// ```standalone_crate
    /// # use pylightnix::prelude::*;
    /// #[derive(Config)]
    /// pub struct Train {
    ///     #[selfref("loss.json")]
    ///     pub loss: SelfRef<Json<f64>>,
    ///     #[selfref("weights.bin")]
    ///     pub weights: SelfRef<Text>,
    /// }
    ///
    /// #[stage(matcher = lowest(|run: &RRef<Train>| Ok(run.loss.load()?)).reads("loss.json"), nouts = 2)]
    /// fn train(b: &Build<Train>) -> Result<TrainOutputs> {
    ///     let weights = b.weights.save(&b.seed().to_string())?;
    ///     Ok(TrainOutputs { loss: b.loss.save(&1.0)?, weights })
    /// }
    /// # fn main() -> Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("store"))?;
    /// assert_eq!(store.realize(&instantiate(Train::new())?)?.loss.load()?, 1.0);
    /// # Ok(()) }
    /// ```
    fn reads(self, path: impl Into<String>) -> ReadingOnly<Self>
    where
        Self: Sized,
    {
        ReadingOnly::new(self, path.into())
    }
}

pub(crate) use of_the_library::OfTheLibrary;

/// Other crates cannot override a method that takes a type which they cannot name.
mod of_the_library {
    /// A type that only this library can name.
    #[derive(Debug)]
    pub struct OfTheLibrary;
}

/// A matcher without its type.
pub(crate) trait AnyMatcher<C: Config>: Any + Send + Sync {
    fn takes_the_only(&self) -> bool;
    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError>;
    fn needs(&self) -> &[RRefId];
    fn read_artifacts(&self) -> ReadArtifacts;
    fn describe(&self) -> String;
    fn same_as(&self, other: &dyn AnyMatcher<C>) -> bool;
}

/// The matcher of a stage.
#[doc(hidden)]
pub struct StageMatcher<C: Config>(Box<dyn AnyMatcher<C>>);

impl<C: Config> StageMatcher<C> {
    pub(crate) fn new<M: Matcher<C>>(matcher: M) -> Self {
        StageMatcher(Box::new(GivenMatcher(matcher)))
    }

    /// Returns whether the matcher always takes a single candidate.
    pub fn takes_the_only(&self) -> bool {
        self.0.takes_the_only()
    }

    pub(crate) fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        self.0.select(candidates)
    }

    pub(crate) fn needs(&self) -> &[RRefId] {
        self.0.needs()
    }

    pub(crate) fn read_artifacts(&self) -> ReadArtifacts {
        self.0.read_artifacts()
    }
}

impl<C: Config> fmt::Debug for StageMatcher<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.describe())
    }
}

/// A matcher that the plan gives, as an [`AnyMatcher`].
pub(crate) struct GivenMatcher<M>(pub(crate) M);

impl<C: Config, M: Matcher<C>> AnyMatcher<C> for GivenMatcher<M> {
    fn takes_the_only(&self) -> bool {
        self.0.takes_the_only(OfTheLibrary)
    }

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        self.0.select(candidates)
    }

    fn needs(&self) -> &[RRefId] {
        self.0.needs()
    }

    fn read_artifacts(&self) -> ReadArtifacts {
        self.0.read_artifacts()
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

/// Implemented by the cardinalities of matchers that `#[stage]` takes without `many`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "this matcher takes many realizations",
    label = "takes many",
    note = "add `many` to `#[stage(..)]`, or use a matcher of one: `only()`, `latest()`, `lowest(key)`, `highest(key)`, \
            `exact(id)`, `pick(f)`"
)]
pub trait TakesOne {}

/// Implemented by the cardinalities of matchers that `#[stage]` takes with `many`.
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
