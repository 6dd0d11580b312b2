//! How many realizations of a stage its consumers get.

/// How many realizations a matcher chooses: [`One`] or [`Many`].
///
/// Sealed: the set is part of the wiring that the compiler checks.
pub trait Cardinality: sealed::Sealed + Send + Sync + 'static {
    /// What the consumer of such a choice sees: `T` itself, or a `Vec<T>`.
    type Of<T: Clone + Send + Sync + 'static>: Clone + Send + Sync + 'static;

    /// Puts what was chosen into that form; `None` when the number does not fit.
    #[doc(hidden)]
    fn gather<T: Clone + Send + Sync + 'static>(
        chosen: impl ExactSizeIterator<Item = T>,
    ) -> Option<Self::Of<T>>;

    /// Whether `count` realizations fit.
    #[doc(hidden)]
    fn admits(count: usize) -> bool;
}

/// Exactly one realization.
#[derive(Clone, Copy, Debug)]
pub enum One {}

/// One realization or more, in the order of their references.
#[derive(Clone, Copy, Debug)]
pub enum Many {}

impl Cardinality for One {
    type Of<T: Clone + Send + Sync + 'static> = T;

    fn gather<T: Clone + Send + Sync + 'static>(
        mut chosen: impl ExactSizeIterator<Item = T>,
    ) -> Option<T> {
        if chosen.len() == 1 {
            chosen.next()
        } else {
            None
        }
    }

    fn admits(count: usize) -> bool {
        count == 1
    }
}

impl Cardinality for Many {
    type Of<T: Clone + Send + Sync + 'static> = Vec<T>;

    fn gather<T: Clone + Send + Sync + 'static>(
        chosen: impl ExactSizeIterator<Item = T>,
    ) -> Option<Vec<T>> {
        (chosen.len() > 0).then(|| chosen.collect())
    }

    fn admits(count: usize) -> bool {
        count > 0
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::One {}
    impl Sealed for super::Many {}
}
