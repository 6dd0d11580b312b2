//! Promises of artifacts, as fields of a config.

use std::fmt;
use std::marker::PhantomData;

use super::format::Opaque;

/// A promise: the stage of this config will make an artifact in format `F`, at the path in `#[selfref("path")]`. Without a
/// format the artifact is an opaque file or folder.
///
/// Only `#[derive(Config)]` makes values of this type, so that paths are checked at compile time.
pub struct SelfRef<F = Opaque>(PhantomData<fn() -> F>);

impl<F> SelfRef<F> {
    pub(crate) const fn promise() -> Self {
        SelfRef(PhantomData)
    }
}

impl<F> Clone for SelfRef<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for SelfRef<F> {}

impl<F> fmt::Debug for SelfRef<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfRef")
    }
}
