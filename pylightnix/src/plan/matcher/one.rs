//! Matchers of one.

use std::fmt;

use super::function::Function;
use super::many::newest_first;
use super::{Choice, Matcher};
use crate::config::RRefId;
use crate::lens::{Config, One, RRef};
use crate::{BoxError, Result};

/// See [`only`].
#[derive(Clone, Copy, Debug)]
pub struct Only(());

/// The only realization. Several are an error: for stages that must give the same result each time.
pub fn only() -> Only {
    Only(())
}

impl<C: Config> Matcher<C> for Only {
    type Card = One;

    fn takes_the_only(&self) -> bool {
        true
    }

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        match candidates {
            [] => Ok(Choice::Build(1)),
            [one] => Ok(one.clone().into()),
            several => {
                let list: Vec<_> = several.iter().map(|rref| format!("\n{rref}")).collect();
                Err(format!(
                    "`only()` found {} different results where there should be one; remove the wrong ones, or choose \
                     with another matcher, such as `latest()`:{}",
                    several.len(),
                    list.concat()
                )
                .into())
            }
        }
    }

    fn describe(&self) -> String {
        "only()".to_owned()
    }

    fn same_as(&self, _: &Self) -> bool {
        true
    }
}

/// See [`latest`].
#[derive(Clone, Copy, Debug)]
pub struct Latest(());

/// The realization of the newest successful build; imports and acceptances do not count as builds, nor do builds that ended
/// more than an hour ahead of this machine's clock. Without any build record, and among equals, the one with the lowest
/// reference.
pub fn latest() -> Latest {
    Latest(())
}

impl<C: Config> Matcher<C> for Latest {
    type Card = One;

    fn takes_the_only(&self) -> bool {
        true
    }

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        let order = newest_first();
        let newest = candidates.iter().min_by(|one, two| order(one, two));
        Ok(newest.cloned().into())
    }

    fn describe(&self) -> String {
        "latest()".to_owned()
    }

    fn same_as(&self, _: &Self) -> bool {
        true
    }
}

/// See [`exact`].
#[derive(Clone, Debug)]
pub struct Exact(RRefId);

/// This realization, and no other. It is never built: when it is not there, the stage fails at once.
pub fn exact(id: impl AsRef<RRefId>) -> Exact {
    Exact(id.as_ref().clone())
}

impl<C: Config> Matcher<C> for Exact {
    type Card = One;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        Ok(match candidates.iter().find(|rref| *rref.id() == self.0) {
            Some(one) => one.clone().into(),
            None => Choice::Never(absent(&self.0, candidates)),
        })
    }

    fn needs(&self) -> &[RRefId] {
        std::slice::from_ref(&self.0)
    }

    fn describe(&self) -> String {
        format!("exact({})", self.0)
    }

    fn same_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// Says that a wanted realization is not among the candidates.
pub(super) fn absent<C: Config>(wanted: &RRefId, candidates: &[RRef<C>]) -> String {
    let list: Vec<_> = candidates.iter().map(|rref| format!("\n{rref}")).collect();
    let there = if list.is_empty() {
        " (none)".to_owned()
    } else {
        list.concat()
    };
    format!(
        "{wanted} is not among the realizations with this context and today's code: unpack it into this store, or choose \
         one of those that are there:{there}"
    )
}

/// See [`pick`].
pub struct Pick<C: Config, R>(Function<[RRef<C>], R>);

/// The realization that a function picks: it returns a [`Choice`], or `Some` candidate, or `None` to have one more made.
pub fn pick<C, R, F>(f: F) -> Pick<C, R>
where
    C: Config,
    R: Into<Choice<C>>,
    F: Fn(&[RRef<C>]) -> Result<R, BoxError> + Send + Sync + 'static, // another error: |runs| Ok(f(runs)?), none: |runs| Ok(f(runs))
{
    Pick(Function::new(f))
}

impl<C: Config, R: Into<Choice<C>> + 'static> Matcher<C> for Pick<C, R> {
    type Card = One;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        self.0.call(candidates).map(Into::into)
    }

    fn describe(&self) -> String {
        format!("pick({})", self.0.name())
    }

    fn same_as(&self, other: &Self) -> bool {
        self.0.same_as(&other.0)
    }
}

impl<C: Config, R> Clone for Pick<C, R> {
    fn clone(&self) -> Self {
        Pick(self.0.clone())
    }
}

impl<C: Config, R> fmt::Debug for Pick<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pick").field(&self.0).finish()
    }
}
