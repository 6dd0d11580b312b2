//! References that queries accept: to derivations or realizations, plain or typed.

use std::fmt;
use std::hash::Hash;

use super::DependencyGraph;
use crate::Result;
use crate::config::{ConfigJson, DRefId, RRefId};
use crate::store::Store;

/// A plain reference: [`DRefId`] or [`RRefId`].
pub trait Identifier:
    Clone + Ord + Hash + fmt::Display + Send + Sync + Sized + sealed::Asked + 'static
{
}

/// A value that identifies a derivation or a realization: a plain [`DRefId`] or [`RRefId`], a [`DRef`](crate::plan::DRef), an
/// [`RRef`](crate::lens::RRef), or a type-erased one of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reference of a derivation or a realization",
    label = "not a reference",
    note = "references are `DRef`, `RRef`, `DRefId` and `RRefId`; `\"dref:..\".parse::<DRefId>()?` reads a text"
)]
pub trait Reference {
    /// The plain type of the reference.
    type Id: Identifier;

    /// Returns the plain reference.
    fn reference(&self) -> &Self::Id;

    /// Calls `visit` with the config of the derivation and with those of all that it depends on, dependencies first, if the reference has them
    /// with it, as that of a plan has.
    #[doc(hidden)]
    fn each_config(&self, visit: &mut dyn FnMut(&ConfigJson)) {
        let _ = visit;
    }
}

/// Operations on both kinds of references. Sealed.
pub(in crate::store) mod sealed {
    use super::{DRefId, DependencyGraph, RRefId, Result, Store};

    pub trait Asked {
        /// Returns the direct dependencies, sorted.
        #[doc(hidden)]
        fn depends_on(&self, store: &Store) -> Result<Vec<Self>>
        where
            Self: Sized;

        /// Reads the graph of all objects of this kind.
        #[doc(hidden)]
        fn graph(store: &Store) -> Result<DependencyGraph<Self>>
        where
            Self: Sized;

        /// Returns the derivation, or that of the realization.
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

    fn each_config(&self, visit: &mut dyn FnMut(&ConfigJson)) {
        R::each_config(self, visit);
    }
}
