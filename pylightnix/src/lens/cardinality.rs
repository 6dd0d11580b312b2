//! The number of realizations that consumers of a stage get, and whether they get failures.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::{AnyRRef, Failure};

/// The number of realizations that a matcher chooses: [`One`], [`Many`], or [`Try<One>`](Try).
///
/// The trait is sealed: the compiler checks plans against this set.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a cardinality",
    label = "not `One`, `Many` or `Try<One>`",
    note = "consumers of a stage get `One` realization, `Many` realizations, or `Try<One>`: one realization or its failure"
)]
pub trait Cardinality: sealed::Sealed + Send + Sync + 'static {
    /// The type of a consumer's field: `T`, `Vec<T>`, or `Result<T, Failure>`.
    type Of<T: Clone + Send + Sync + 'static>: Clone + Send + Sync + 'static;

    #[doc(hidden)]
    const TAKES: Takes;

    /// Converts the chosen realizations into that type. Returns `None` if their number is wrong.
    #[doc(hidden)]
    fn gather<T: Clone + Send + Sync + 'static>(
        chosen: &[AnyRRef],
        value: impl FnMut(&AnyRRef) -> T,
    ) -> Option<Self::Of<T>>;
}

/// The realizations that a choice may consist of.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One success.
    One,
    /// One or more successes.
    Many,
    /// One success or failure.
    Try,
    /// Not specified.
    Unsaid,
}

impl Takes {
    /// Returns whether a choice of `count` realizations is valid.
    pub(crate) fn admits(self, count: usize) -> bool {
        match self {
            Takes::One | Takes::Try => count == 1,
            Takes::Many | Takes::Unsaid => count > 0,
        }
    }

    /// Returns whether choices may have different numbers of realizations.
    pub(super) fn any_number(self) -> bool {
        matches!(self, Takes::Many | Takes::Unsaid)
    }

    /// Returns whether a choice may contain a failure.
    pub(crate) fn failures(self) -> bool {
        matches!(self, Takes::Try | Takes::Unsaid)
    }

    /// Returns a description for messages.
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

/// One or more realizations, in the order of their references.
#[derive(Clone, Copy, Debug)]
pub enum Many {}

/// One realization, or the failure of its stage as a value: consumers see a `Result<RRef<C>, `[`Failure`]`>`.
///
/// The result of `#[stage(fallible)]` and of [`or_failure`](crate::plan::DRef::or_failure).
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

/// Any number of successes and failures: for derivations whose cardinality no field specifies.
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
        // A consumer sees which are failures.
        chosen.iter().for_each(AnyRRef::look_at_outcome);
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
