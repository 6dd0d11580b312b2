//! Which artifacts matchers read.

use std::fmt;

use super::{Choice, Matcher, OfTheLibrary};
use crate::config::RRefId;
use crate::lens::{Config, RRef};
use crate::{BoxError, Result};

/// Which artifacts of the candidates a matcher reads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadArtifacts {
    /// None: it chooses by references and build records.
    Nothing,
    /// Those at these paths, and those in the folders at these paths.
    Only(Vec<String>),
    /// Maybe any.
    All,
}

impl ReadArtifacts {
    /// Returns whether the artifact at `path` may be read.
    pub(crate) fn has(&self, path: &str) -> bool {
        match self {
            ReadArtifacts::Nothing => false,
            ReadArtifacts::Only(paths) => paths.iter().any(|named| {
                let below = path.strip_prefix(named.as_str());
                below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
            }),
            ReadArtifacts::All => true,
        }
    }
}

/// The matcher of [`Matcher::reads`]: another one, of which it is known what it reads.
#[derive(Clone)]
pub struct ReadingOnly<M> {
    matcher: M,
    path: String,
}

impl<M> ReadingOnly<M> {
    pub(super) fn new(matcher: M, path: String) -> Self {
        let path = path.trim_end_matches('/').to_owned();
        ReadingOnly { matcher, path }
    }
}

impl<M: fmt::Debug> fmt::Debug for ReadingOnly<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}.reads({:?})", self.matcher, self.path)
    }
}

impl<C: Config, M: Matcher<C>> Matcher<C> for ReadingOnly<M> {
    type Card = M::Card;

    fn select(&self, candidates: &[RRef<C>]) -> Result<Choice<C>, BoxError> {
        self.matcher.select(candidates)
    }

    fn takes_the_only(&self, of: OfTheLibrary) -> bool {
        self.matcher.takes_the_only(of)
    }

    fn needs(&self) -> &[RRefId] {
        self.matcher.needs()
    }

    fn read_artifacts(&self) -> ReadArtifacts {
        let mut paths = match self.matcher.read_artifacts() {
            ReadArtifacts::Only(paths) => paths,
            ReadArtifacts::Nothing | ReadArtifacts::All => Vec::new(),
        };
        paths.push(self.path.clone());
        ReadArtifacts::Only(paths)
    }

    // What it reads is no part of what it chooses.
    fn describe(&self) -> String {
        self.matcher.describe()
    }

    fn same_as(&self, other: &Self) -> bool {
        self.path == other.path && self.matcher.same_as(&other.matcher)
    }
}
