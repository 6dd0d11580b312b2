//! Matchers that choose one realization.

use std::fmt;

use super::function::Function;
use super::many::newest_first;
use super::{Choice, Matcher, OfTheLibrary, ReadArtifacts};
use crate::config::RRefId;
use crate::lens::{Config, One, RRef};
use crate::{BoxError, Result};

/// The matcher of [`only`].
#[derive(Clone, Copy, Debug)]
pub struct Only(());

/// Chooses the only realization, and fails if there are several: for deterministic stages.
pub fn only() -> Only {
    Only(())
}

impl<C: Config> Matcher<C> for Only {
    type Card = One;

    fn takes_the_only(&self, _: OfTheLibrary) -> bool {
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

    fn read_artifacts(&self) -> ReadArtifacts {
        ReadArtifacts::Nothing
    }

    fn describe(&self) -> String {
        "only()".to_owned()
    }

    fn same_as(&self, _: &Self) -> bool {
        true
    }
}

/// The matcher of [`latest`].
#[derive(Clone, Copy, Debug)]
pub struct Latest(());

/// Chooses the realization of the newest successful build. Imports, acceptances, and builds that ended more than an hour
/// after the current time of this machine do not count. Without builds, and among equally new ones, the lowest reference
/// wins.
pub fn latest() -> Latest {
    Latest(())
}

impl<C: Config> Matcher<C> for Latest {
    type Card = One;

    fn takes_the_only(&self, _: OfTheLibrary) -> bool {
        true
    }

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        let order = newest_first();
        let newest = candidates.iter().min_by(|one, two| order(one, two));
        Ok(newest.cloned().into())
    }

    fn read_artifacts(&self) -> ReadArtifacts {
        ReadArtifacts::Nothing
    }

    fn describe(&self) -> String {
        "latest()".to_owned()
    }

    fn same_as(&self, _: &Self) -> bool {
        true
    }
}

/// The matcher of [`exact`].
#[derive(Clone, Debug)]
pub struct Exact(RRefId);

/// Chooses exactly this realization. It is never built: if it is missing, the stage fails immediately.
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

    fn read_artifacts(&self) -> ReadArtifacts {
        ReadArtifacts::Nothing
    }

    fn describe(&self) -> String {
        format!("exact({})", self.0)
    }

    fn same_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// Makes the message that a wanted realization is not among the candidates.
pub(super) fn absent<C: Config>(wanted: &RRefId, candidates: &[RRef<C>]) -> String {
    let list: Vec<_> = candidates.iter().map(|rref| format!("\n{rref}")).collect();
    let there = if list.is_empty() {
        " (none)".to_owned()
    } else {
        list.concat()
    };
    format!(
        "{wanted} is not among the realizations with this context and today's code: unpack it into this store, or choose \
         one of these:{there}"
    )
}

/// The matcher of [`pick`].
pub struct Pick<C: Config, R>(Function<[RRef<C>], R>);

/// Chooses by a function, which returns a [`Choice`] or an `Option` of a candidate. For `None`, one more realization is
/// built.
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
