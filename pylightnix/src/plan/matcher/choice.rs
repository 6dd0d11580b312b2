//! What a matcher says.

use crate::lens::{Config, RRef};

/// What a matcher says of the candidates.
#[derive(Clone, Debug)]
pub enum Choice<C: Config> {
    /// These, which are among the candidates.
    Take(Vec<RRef<C>>),
    /// There are too few: make so many more, and ask again.
    Build(usize),
    /// No build would help, and why.
    Never(String),
}

impl<C: Config> From<RRef<C>> for Choice<C> {
    fn from(one: RRef<C>) -> Self {
        Choice::Take(vec![one])
    }
}

impl<C: Config> From<Option<RRef<C>>> for Choice<C> {
    /// `None` asks for one more.
    fn from(one: Option<RRef<C>>) -> Self {
        one.map_or(Choice::Build(1), Choice::from)
    }
}

impl<C: Config> From<Vec<RRef<C>>> for Choice<C> {
    /// An empty list asks for one more.
    fn from(those: Vec<RRef<C>>) -> Self {
        if those.is_empty() {
            Choice::Build(1)
        } else {
            Choice::Take(those)
        }
    }
}
