//! The result of a matcher.

use crate::lens::{Config, RRef};

/// The result of a matcher.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Choice<C: Config> {
    /// Takes these candidates.
    Take(Vec<RRef<C>>),
    /// There are too few candidates: build this number of new ones, and call the matcher again.
    Build(usize),
    /// No build would help, for this reason.
    Never(String),
}

impl<C: Config> From<RRef<C>> for Choice<C> {
    fn from(one: RRef<C>) -> Self {
        Choice::Take(vec![one])
    }
}

impl<C: Config> From<Option<RRef<C>>> for Choice<C> {
    /// Converts `None` to a request for one more realization.
    fn from(one: Option<RRef<C>>) -> Self {
        one.map_or(Choice::Build(1), Choice::from)
    }
}

impl<C: Config> From<Vec<RRef<C>>> for Choice<C> {
    /// Converts an empty list to a request for one more realization.
    fn from(those: Vec<RRef<C>>) -> Self {
        if those.is_empty() {
            Choice::Build(1)
        } else {
            Choice::Take(those)
        }
    }
}
