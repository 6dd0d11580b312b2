//! Matchers of one.

use super::many::newest_first;
use super::{Choice, Matcher, is_stateless};
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
#[derive(Clone, Copy, Debug)]
pub struct Pick<F>(F);

/// The realization that a function picks: it returns a [`Choice`], or `Some` candidate, or `None` to have one more made.
pub fn pick<C, R, F>(f: F) -> Pick<F>
where
    C: Config,
    R: Into<Choice<C>>,
    F: Fn(&[RRef<C>]) -> Result<R, BoxError> + Send + Sync + 'static,
{
    Pick(f)
}

impl<C, R, F> Matcher<C> for Pick<F>
where
    C: Config,
    R: Into<Choice<C>>,
    F: Fn(&[RRef<C>]) -> Result<R, BoxError> + Send + Sync + 'static,
{
    type Card = One;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        (self.0)(candidates).map(Into::into)
    }

    fn describe(&self) -> String {
        format!("pick({})", std::any::type_name::<F>())
    }

    fn same_as(&self, _: &Self) -> bool {
        is_stateless::<F>()
    }
}
