//! A matcher of some of the candidates.

use super::{Choice, Matcher, is_stateless};
use crate::config::RRefId;
use crate::lens::{Config, RRef};
use crate::{BoxError, Result};

/// A matcher that sees only some of the candidates; see [`Matcher::filter`].
#[derive(Clone, Copy, Debug)]
pub struct Filter<M, P> {
    matcher: M,
    predicate: P,
}

impl<M, P> Filter<M, P> {
    pub(super) fn new(matcher: M, predicate: P) -> Self {
        Filter { matcher, predicate }
    }
}

impl<C, M, P> Matcher<C> for Filter<M, P>
where
    C: Config,
    M: Matcher<C>,
    P: Fn(&RRef<C>) -> Result<bool, BoxError> + Send + Sync + 'static,
{
    type Card = M::Card;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        let mut seen = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            if (self.predicate)(candidate)? {
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
            std::any::type_name::<P>()
        )
    }

    fn same_as(&self, other: &Self) -> bool {
        is_stateless::<P>() && self.matcher.same_as(&other.matcher)
    }
}
