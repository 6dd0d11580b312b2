//! Matchers that compare candidates by a key.

use super::many::all_of;
use super::{Choice, Key, Matcher, is_stateless};
use crate::lens::{Config, Many, One, RRef};
use crate::{BoxError, Result};

/// Which end of the order of keys is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Lowest,
    Highest,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            End::Lowest => "lowest",
            End::Highest => "highest",
        }
    }
}

/// See [`lowest`] and [`highest`].
#[derive(Clone, Copy, Debug)]
pub struct BestBy<F> {
    end: End,
    key: F,
}

/// See [`lowest_n`] and [`highest_n`].
#[derive(Clone, Copy, Debug)]
pub struct BestN<F> {
    count: usize,
    by: BestBy<F>,
}

/// The realization with the lowest key. Keys that are NaN or `None` are never chosen.
pub fn lowest<C, K, F>(key: F) -> BestBy<F>
where
    C: Config,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static,
{
    BestBy {
        end: End::Lowest,
        key,
    }
}

/// The realization with the highest key. Keys that are NaN or `None` are never chosen.
pub fn highest<C, K, F>(key: F) -> BestBy<F>
where
    C: Config,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static,
{
    BestBy {
        end: End::Highest,
        key,
    }
}

/// The `n` realizations with the lowest keys. What is missing is built. Keys that are NaN or `None` are never chosen.
pub fn lowest_n<C, K, F>(n: usize, key: F) -> BestN<F>
where
    C: Config,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static,
{
    BestN {
        count: n,
        by: lowest(key),
    }
}

/// The `n` realizations with the highest keys. What is missing is built. Keys that are NaN or `None` are never chosen.
pub fn highest_n<C, K, F>(n: usize, key: F) -> BestN<F>
where
    C: Config,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static,
{
    BestN {
        count: n,
        by: highest(key),
    }
}

impl<F> BestBy<F> {
    /// The best `count` candidates, fewer if there are no more; ties by reference.
    fn best<C: Config, K: Key>(
        &self,
        count: usize,
        candidates: &[RRef<C>],
    ) -> Result<Vec<RRef<C>>, BoxError>
    where
        F: Fn(&RRef<C>) -> Result<K, BoxError>,
    {
        let mut keyed = Vec::with_capacity(candidates.len());
        for rref in candidates {
            let key =
                (self.key)(rref).map_err(|error| format!("the key of {rref} failed: {error}"))?;
            if key.can_be_chosen() {
                keyed.push((key, rref));
            }
        }
        // A stable sort: candidates come in the order of their references.
        keyed.sort_by(|(one, _), (two, _)| match self.end {
            End::Lowest => one.order(two),
            End::Highest => two.order(one),
        });
        Ok(keyed
            .into_iter()
            .take(count)
            .map(|(_, rref)| rref.clone())
            .collect())
    }

    fn is_same(&self, other: &Self) -> bool {
        self.end == other.end && is_stateless::<F>()
    }
}

impl<C, K, F> Matcher<C> for BestBy<F>
where
    C: Config,
    K: Key,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static,
{
    type Card = One;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        Ok(self.best(1, candidates)?.into())
    }

    fn describe(&self) -> String {
        format!("{}({})", self.end.word(), std::any::type_name::<F>())
    }

    fn same_as(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

impl<C, K, F> Matcher<C> for BestN<F>
where
    C: Config,
    K: Key,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static,
{
    type Card = Many;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        Ok(all_of(self.count, self.by.best(self.count, candidates)?))
    }

    fn describe(&self) -> String {
        let Self { count, by } = self;
        format!(
            "{}_n({count}, {})",
            by.end.word(),
            std::any::type_name::<F>()
        )
    }

    fn same_as(&self, other: &Self) -> bool {
        self.count == other.count && self.by.is_same(&other.by)
    }
}
