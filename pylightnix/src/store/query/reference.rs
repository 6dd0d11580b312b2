//! What may be asked about: derivations and realizations, plain or typed.

use std::fmt;
use std::hash::Hash;

use super::Graph;
use crate::Result;
use crate::config::{DRefId, RRefId};
use crate::store::Store;

/// A plain reference, [`DRefId`] or [`RRefId`].
pub trait Identifier:
    Clone + Ord + Hash + fmt::Display + Send + Sync + Sized + sealed::Asked + 'static
{
}

/// Something that a reference stands for: a plain [`DRefId`] or [`RRefId`], a [`DRef`](crate::plan::DRef), an
/// [`RRef`](crate::lens::RRef), or one of these whose type is forgotten.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reference of a derivation or a realization",
    label = "not a reference",
    note = "references are `DRef`, `RRef`, `DRefId` and `RRefId`; `\"dref:..\".parse::<DRefId>()?` reads a text"
)]
pub trait Reference {
    /// Which of the two it is.
    type Id: Identifier;

    /// The plain reference.
    fn reference(&self) -> &Self::Id;
}

/// What each sort of reference answers. Not for others to implement.
pub(in crate::store) mod sealed {
    use super::{DRefId, Graph, RRefId, Result, Store};

    pub trait Asked {
        /// Those that it directly depends on, sorted.
        #[doc(hidden)]
        fn depends_on(&self, store: &Store) -> Result<Vec<Self>>
        where
            Self: Sized;

        /// All of this sort.
        #[doc(hidden)]
        fn graph(store: &Store) -> Result<Graph<Self>>
        where
            Self: Sized;

        /// The derivation, or the one of the realization.
        #[doc(hidden)]
        fn derivation(&self) -> &DRefId;

        #[doc(hidden)]
        fn realization(&self) -> Option<&RRefId>;
    }
}

impl Identifier for DRefId {}

impl Identifier for RRefId {}

impl Reference for DRefId {
    type Id = DRefId;

    fn reference(&self) -> &DRefId {
        self
    }
}

impl Reference for RRefId {
    type Id = RRefId;

    fn reference(&self) -> &RRefId {
        self
    }
}

impl<R: Reference + ?Sized> Reference for &R {
    type Id = R::Id;

    fn reference(&self) -> &R::Id {
        R::reference(self)
    }
}
