//! Matchers that choose many realizations.

use std::cmp::Ordering;
use std::fmt;

use super::function::Function;
use super::one::absent;
use super::{Choice, Matcher, OfTheLibrary, ReadArtifacts};
use crate::config::RRefId;
use crate::lens::{Config, Many, RRef};
use crate::store::Clock;
use crate::{BoxError, Result};

/// Returns an order: newest build first, no build last, then by reference. Ignores builds that ended ahead of this machine's
/// clock.
pub(super) fn newest_first<C: Config>() -> impl Fn(&RRef<C>, &RRef<C>) -> Ordering {
    // All comparisons must use the same time, to be consistent.
    let clock = Clock::now();
    move |one, two| {
        two.built_by(clock)
            .cmp(&one.built_by(clock))
            .then_with(|| one.cmp(two))
    }
}

/// Takes `those` if they are enough, else asks for the missing ones.
pub(super) fn all_of<C: Config>(wanted: usize, those: Vec<RRef<C>>) -> Choice<C> {
    match wanted.saturating_sub(those.len()) {
        0 if wanted == 0 => {
            Choice::Never("0 realizations were requested: request at least 1".to_owned())
        }
        0 => Choice::Take(those),
        missing => Choice::Build(missing),
    }
}

/// The matcher of [`all`].
#[derive(Clone, Copy, Debug)]
pub struct All(());

/// Chooses all existing realizations. If there is none, one is built.
pub fn all() -> All {
    All(())
}

impl<C: Config> Matcher<C> for All {
    type Card = Many;

    fn takes_the_only(&self, _: OfTheLibrary) -> bool {
        true
    }

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        Ok(candidates.to_vec().into())
    }

    fn read_artifacts(&self) -> ReadArtifacts {
        ReadArtifacts::Nothing
    }

    fn describe(&self) -> String {
        "all()".to_owned()
    }

    fn same_as(&self, _: &Self) -> bool {
        true
    }
}

/// The matcher of [`some`].
#[derive(Clone, Copy, Debug)]
pub struct SomeN(usize);

/// Chooses any `n` realizations: the first ones by reference. Missing ones are built.
pub fn some(n: usize) -> SomeN {
    SomeN(n)
}

impl<C: Config> Matcher<C> for SomeN {
    type Card = Many;

    fn takes_the_only(&self, _: OfTheLibrary) -> bool {
        self.0 == 1
    }

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        Ok(all_of(
            self.0,
            candidates.iter().take(self.0).cloned().collect(),
        ))
    }

    fn read_artifacts(&self) -> ReadArtifacts {
        ReadArtifacts::Nothing
    }

    fn describe(&self) -> String {
        format!("some({})", self.0)
    }

    fn same_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// The matcher of [`latest_n`].
#[derive(Clone, Copy, Debug)]
pub struct LatestN(usize);

/// Chooses the `n` realizations of the newest builds; see [`latest`](super::latest). Missing ones are built.
pub fn latest_n(n: usize) -> LatestN {
    LatestN(n)
}

impl<C: Config> Matcher<C> for LatestN {
    type Card = Many;

    fn takes_the_only(&self, _: OfTheLibrary) -> bool {
        self.0 == 1
    }

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        let mut newest = candidates.to_vec();
        newest.sort_by(newest_first());
        newest.truncate(self.0);
        Ok(all_of(self.0, newest))
    }

    fn read_artifacts(&self) -> ReadArtifacts {
        ReadArtifacts::Nothing
    }

    fn describe(&self) -> String {
        format!("latest_n({})", self.0)
    }

    fn same_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// The matcher of [`exact_many`].
#[derive(Clone, Debug)]
pub struct ExactMany(Vec<RRefId>);

/// Chooses exactly these realizations. They are never built: if one is missing, the stage fails immediately.
pub fn exact_many<I: AsRef<RRefId>>(ids: impl IntoIterator<Item = I>) -> ExactMany {
    let mut ids: Vec<_> = ids.into_iter().map(|id| id.as_ref().clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    ExactMany(ids)
}

impl<C: Config> Matcher<C> for ExactMany {
    type Card = Many;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        let mut those = Vec::with_capacity(self.0.len());
        for id in &self.0 {
            match candidates.binary_search_by(|rref| rref.id().cmp(id)) {
                Ok(at) => those.push(candidates[at].clone()),
                Err(_) => return Ok(Choice::Never(absent(id, candidates))),
            }
        }
        if those.is_empty() {
            return Ok(Choice::Never(
                "`exact_many` was given no reference".to_owned(),
            ));
        }
        Ok(Choice::Take(those))
    }

    fn needs(&self) -> &[RRefId] {
        &self.0
    }

    fn read_artifacts(&self) -> ReadArtifacts {
        ReadArtifacts::Nothing
    }

    fn describe(&self) -> String {
        let ids: Vec<_> = self.0.iter().map(RRefId::to_string).collect();
        format!("exact_many([{}])", ids.join(", "))
    }

    fn same_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// The matcher of [`pick_many`].
pub struct PickMany<C: Config, R>(Function<[RRef<C>], R>);

/// Chooses by a function, which returns a [`Choice`] or a list of candidates. For an empty list, one more realization is
/// built.
pub fn pick_many<C, R, F>(f: F) -> PickMany<C, R>
where
    C: Config,
    R: Into<Choice<C>>,
    F: Fn(&[RRef<C>]) -> Result<R, BoxError> + Send + Sync + 'static, // another error: |runs| Ok(f(runs)?), none: |runs| Ok(f(runs))
{
    PickMany(Function::new(f))
}

impl<C: Config, R: Into<Choice<C>> + 'static> Matcher<C> for PickMany<C, R> {
    type Card = Many;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        self.0.call(candidates).map(Into::into)
    }

    fn describe(&self) -> String {
        format!("pick_many({})", self.0.name())
    }

    fn same_as(&self, other: &Self) -> bool {
        self.0.same_as(&other.0)
    }
}

impl<C: Config, R> Clone for PickMany<C, R> {
    fn clone(&self) -> Self {
        PickMany(self.0.clone())
    }
}

impl<C: Config, R> fmt::Debug for PickMany<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PickMany").field(&self.0).finish()
    }
}
