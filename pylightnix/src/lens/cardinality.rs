//! How many realizations of a stage its consumers get, and whether a failure is one.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::{AnyRRef, Failure};

/// How many realizations a matcher chooses: [`One`], [`Many`], or [`Try<One>`](Try).
///
/// Sealed: the set is part of the wiring that the compiler checks.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no number of realizations",
    label = "neither `One`, nor `Many`, nor `Try<One>`",
    note = "consumers get `One` realization, `Many`, or `Try<One>`: one or its failure"
)]
pub trait Cardinality: sealed::Sealed + Send + Sync + 'static {
    /// What the consumer of such a choice sees: `T` itself, a `Vec<T>`, or a `Result<T, Failure>`.
    type Of<T: Clone + Send + Sync + 'static>: Clone + Send + Sync + 'static;

    #[doc(hidden)]
    const TAKES: Takes;

    /// Puts the values of what was chosen into that form; `None` when it does not fit.
    #[doc(hidden)]
    fn gather<T: Clone + Send + Sync + 'static>(
        chosen: &[AnyRRef],
        value: impl FnMut(&AnyRRef) -> T,
    ) -> Option<Self::Of<T>>;
}

/// What a choice may consist of.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One success.
    One,
    /// Successes.
    Many,
    /// One success or failure.
    Try,
    /// Nobody says.
    Unsaid,
}

impl Takes {
    /// Whether so many realizations fit.
    pub(crate) fn admits(self, count: usize) -> bool {
        match self {
            Takes::One | Takes::Try => count == 1,
            Takes::Many | Takes::Unsaid => count > 0,
        }
    }

    /// Whether a failure may be one of them.
    pub(crate) fn failures(self) -> bool {
        matches!(self, Takes::Try | Takes::Unsaid)
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Takes::One => "one realization",
            Takes::Many => "many realizations",
            Takes::Try => "one realization or its failure",
            Takes::Unsaid => "anything",
        }
    }
}

/// Exactly one realization.
#[derive(Clone, Copy, Debug)]
pub enum One {}

/// One realization or more, in the order of their references.
#[derive(Clone, Copy, Debug)]
pub enum Many {}

/// One realization, or the failure of its stage as a value: consumers see a `Result<RRef<C>, `[`Failure`]`>`.
///
/// It is what `#[stage(fallible)]` gives, and [`or_failure`](crate::plan::DRef::or_failure).
#[derive(Clone, Copy, Debug)]
pub struct Try<Q>(PhantomData<fn() -> Q>, Infallible);

impl Cardinality for One {
    type Of<T: Clone + Send + Sync + 'static> = T;

    const TAKES: Takes = Takes::One;

    fn gather<T: Clone + Send + Sync + 'static>(
        chosen: &[AnyRRef],
        mut value: impl FnMut(&AnyRRef) -> T,
    ) -> Option<T> {
        match chosen {
            [one] => Some(value(one)),
            _ => None,
        }
    }
}

impl Cardinality for Many {
    type Of<T: Clone + Send + Sync + 'static> = Vec<T>;

    const TAKES: Takes = Takes::Many;

    fn gather<T: Clone + Send + Sync + 'static>(
        chosen: &[AnyRRef],
        value: impl FnMut(&AnyRRef) -> T,
    ) -> Option<Vec<T>> {
        (!chosen.is_empty()).then(|| chosen.iter().map(value).collect())
    }
}

impl Cardinality for Try<One> {
    type Of<T: Clone + Send + Sync + 'static> = Result<T, Failure>;

    const TAKES: Takes = Takes::Try;

    fn gather<T: Clone + Send + Sync + 'static>(
        chosen: &[AnyRRef],
        mut value: impl FnMut(&AnyRRef) -> T,
    ) -> Option<Result<T, Failure>> {
        match chosen {
            [one] => Some(match one.failure() {
                Some(failure) => Err(failure),
                None => Ok(value(one)),
            }),
            _ => None,
        }
    }
}

/// Any number of anything: for derivations of which no field says how many it takes.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Unsaid {}

impl Cardinality for Unsaid {
    type Of<T: Clone + Send + Sync + 'static> = Vec<T>;

    const TAKES: Takes = Takes::Unsaid;

    fn gather<T: Clone + Send + Sync + 'static>(
        chosen: &[AnyRRef],
        value: impl FnMut(&AnyRRef) -> T,
    ) -> Option<Vec<T>> {
        Many::gather(chosen, value)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::One {}
    impl Sealed for super::Many {}
    impl Sealed for super::Unsaid {}
    impl Sealed for super::Try<super::One> {}
}
