//! Matchers that compare candidates by a key.

use std::fmt;

use super::function::Function;
use super::many::all_of;
use super::{Choice, Key, Matcher};
use crate::lens::{Config, Many, One, RRef};
use crate::{BoxError, Result};

/// The end of the order of keys that is chosen.
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

/// The matcher of [`lowest`] and [`highest`].
pub struct BestBy<C: Config, K> {
    end: End,
    key: Function<RRef<C>, K>,
}

/// The matcher of [`lowest_n`] and [`highest_n`].
pub struct BestN<C: Config, K> {
    count: usize,
    by: BestBy<C, K>,
}

/// Chooses the realization with the lowest key. Keys that are NaN or `None` are never chosen.
pub fn lowest<C, K, F>(key: F) -> BestBy<C, K>
where
    C: Config,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
{
    BestBy {
        end: End::Lowest,
        key: Function::new(key),
    }
}

/// Chooses the realization with the highest key. Keys that are NaN or `None` are never chosen.
pub fn highest<C, K, F>(key: F) -> BestBy<C, K>
where
    C: Config,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
{
    BestBy {
        end: End::Highest,
        key: Function::new(key),
    }
}

/// Chooses the `n` realizations with the lowest keys. Missing ones are built. Keys that are NaN or `None` are never chosen.
pub fn lowest_n<C, K, F>(n: usize, key: F) -> BestN<C, K>
where
    C: Config,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
{
    BestN {
        count: n,
        by: lowest(key),
    }
}

/// Chooses the `n` realizations with the highest keys. Missing ones are built. Keys that are NaN or `None` are never chosen.
pub fn highest_n<C, K, F>(n: usize, key: F) -> BestN<C, K>
where
    C: Config,
    F: Fn(&RRef<C>) -> Result<K, BoxError> + Send + Sync + 'static, // another error: |run| Ok(key(run)?), none: |run| Ok(key(run))
{
    BestN {
        count: n,
        by: highest(key),
    }
}

impl<C: Config, K: Key> BestBy<C, K> {
    /// Returns the best `count` candidates, or all if there are fewer. Ties are broken by reference.
    fn best(&self, count: usize, candidates: &[RRef<C>]) -> Result<Vec<RRef<C>>, BoxError> {
        let mut keyed = Vec::with_capacity(candidates.len());
        for rref in candidates {
            let key = self
                .key
                .call(rref)
                .map_err(|error| format!("the key of {rref} failed: {error}"))?;
            if key.can_be_chosen() {
                keyed.push((key, rref));
            }
        }
        // A stable sort breaks ties by reference: candidates are sorted by reference.
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
        self.end == other.end && self.key.same_as(&other.key)
    }
}

impl<C: Config, K: Key + 'static> Matcher<C> for BestBy<C, K> {
    type Card = One;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        Ok(self.best(1, candidates)?.into())
    }

    fn describe(&self) -> String {
        format!("{}({})", self.end.word(), self.key.name())
    }

    fn same_as(&self, other: &Self) -> bool {
        self.is_same(other)
    }
}

impl<C: Config, K: Key + 'static> Matcher<C> for BestN<C, K> {
    type Card = Many;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        Ok(all_of(self.count, self.by.best(self.count, candidates)?))
    }

    fn describe(&self) -> String {
        let Self { count, by } = self;
        format!("{}_n({count}, {})", by.end.word(), by.key.name())
    }

    fn same_as(&self, other: &Self) -> bool {
        self.count == other.count && self.by.is_same(&other.by)
    }
}

impl<C: Config, K> Clone for BestBy<C, K> {
    fn clone(&self) -> Self {
        BestBy {
            end: self.end,
            key: self.key.clone(),
        }
    }
}

impl<C: Config, K> fmt::Debug for BestBy<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BestBy")
            .field("end", &self.end)
            .field("key", &self.key)
            .finish()
    }
}

impl<C: Config, K> Clone for BestN<C, K> {
    fn clone(&self) -> Self {
        BestN {
            count: self.count,
            by: self.by.clone(),
        }
    }
}

impl<C: Config, K> fmt::Debug for BestN<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BestN")
            .field("count", &self.count)
            .field("by", &self.by)
            .finish()
    }
}
