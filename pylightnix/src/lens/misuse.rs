//! Methods whose bounds never hold, so that wrong calls get a helpful compiler message.

use super::format::Format;
use super::{Artifact, Output, Written};
use crate::Result;
use crate::lens::Cardinality;
use crate::plan::RefPath;

/// Implemented by no type: a running stage cannot load its own artifacts.
#[diagnostic::on_unimplemented(
    message = "this artifact does not exist yet: the running stage has to make it",
    label = "nothing to load",
    note = "make it with `save(&value)?`, or write it at `path()` and call `written()?`; a stage loads the artifacts of its \
            dependencies"
)]
pub trait LoadedWhileBuilt {}

/// Implemented by no type: a plan has no artifacts to load.
#[diagnostic::on_unimplemented(
    message = "this artifact does not exist yet: a plan only names it",
    label = "nothing to load",
    note = "realize the plan and load it from the `RRef`, or give it to the config of a stage, as a `#[dref]`"
)]
pub trait LoadedWhilePlanned {}

/// Implemented by no type: a plan has no artifacts to save.
#[diagnostic::on_unimplemented(
    message = "a plan has no artifacts to write: it only names them",
    label = "not writable",
    note = "an artifact is written by its stage, the function with `#[stage]`"
)]
pub trait SavedWhilePlanned {}

/// Implemented by no type: a realization cannot be changed.
#[diagnostic::on_unimplemented(
    message = "this artifact is a part of a result, which never changes",
    label = "not writable",
    note = "a stage writes the artifacts of its own config, `b.field.save(&value)?`, and makes a new result"
)]
pub trait SavedWhenRealized {}

impl<F, Tag> Output<F, Tag> {
    #[doc(hidden)]
    pub fn load(&self) -> Result<F::Value>
    where
        F: Format,
        Self: LoadedWhileBuilt,
    {
        unreachable!("no type has this bound")
    }
}

impl<F, Q: Cardinality> RefPath<F, Q> {
    #[doc(hidden)]
    pub fn load(&self) -> Result<F::Value>
    where
        F: Format,
        Self: LoadedWhilePlanned,
    {
        unreachable!("no type has this bound")
    }

    #[doc(hidden)]
    pub fn save(&self, _: &F::View) -> Result<Written<()>>
    where
        F: Format,
        Self: SavedWhilePlanned,
    {
        unreachable!("no type has this bound")
    }
}

impl<F> Artifact<F> {
    #[doc(hidden)]
    pub fn save(&self, _: &F::View) -> Result<Written<()>>
    where
        F: Format,
        Self: SavedWhenRealized,
    {
        unreachable!("no type has this bound")
    }
}
