//! A matcher that filters the candidates.

use super::function::Function;
use super::{Choice, Matcher};
use crate::config::RRefId;
use crate::lens::{Config, RRef};
use crate::{BoxError, Result};

/// The matcher of [`Matcher::filter`], which passes only some of the candidates on to another matcher.
#[derive(Debug)]
pub struct Filter<M, C: Config> {
    matcher: M,
    predicate: Function<RRef<C>, bool>,
}

impl<M, C: Config> Filter<M, C> {
    pub(super) fn new<P>(matcher: M, predicate: P) -> Self
    where
        P: Fn(&RRef<C>) -> Result<bool, BoxError> + Send + Sync + 'static,
    {
        Filter {
            matcher,
            predicate: Function::new(predicate),
        }
    }
}

impl<M: Clone, C: Config> Clone for Filter<M, C> {
    fn clone(&self) -> Self {
        Filter {
            matcher: self.matcher.clone(),
            predicate: self.predicate.clone(),
        }
    }
}

impl<C: Config, M: Matcher<C>> Matcher<C> for Filter<M, C> {
    type Card = M::Card;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        let mut seen = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            if self.predicate.call(candidate)? {
                seen.push(candidate.clone());
            }
        }
        self.matcher.select(&seen)
    }

    fn needs(&self) -> &[RRefId] {
        self.matcher.needs()
    }

    fn describe(&self) -> String {
        format!(
            "{}.filter({})",
            self.matcher.describe(),
            self.predicate.name()
        )
    }

    fn same_as(&self, other: &Self) -> bool {
        self.predicate.same_as(&other.predicate) && self.matcher.same_as(&other.matcher)
    }
}
