//! The trait that `#[derive(Config)]` implements.

use std::collections::BTreeMap;

use super::{Phase, Promise};
use crate::Result;
use crate::config::{ConfigWriter, Fields};
use crate::plan::{AnyDRef, Revived, Wanted};

/// What identifies a derivation: the fields of a struct with `#[derive(Config)]`.
///
/// Implement it with the derive only: the checks that make wrong wiring not compile are in there.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a config",
    label = "not a config",
    note = "a config is a struct with named fields and `#[derive(Config)]`"
)]
pub trait Config: Sized + Send + Sync + 'static {
    /// The config's fields, as they are in phase `P`.
    type Lens<P: Phase>: Send + Sync + 'static;

    /// What a stage of this config returns: a proof for each promise that it was kept.
    type Outputs: 'static;

    #[doc(hidden)]
    const PROMISES: &'static [Promise];

    #[doc(hidden)]
    fn lens<P: Phase>(&self, from: &P::Source) -> Self::Lens<P>;

    /// Writes the fields after `name`, and notes those that were left out.
    #[doc(hidden)]
    fn write(&self, out: &mut ConfigWriter, omitted: &mut Omitted) -> Result<()>;

    /// The values of the fields that are no part of the identity.
    #[doc(hidden)]
    fn unhashed(&self) -> Result<Omitted>;

    #[doc(hidden)]
    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef));

    #[doc(hidden)]
    fn declare(fields: &mut Fields<'_>, wanted: &mut Wanted) -> Result<()>;

    /// Reads it from the fields of its JSON. What these do not say, its derivations with their matchers and realizers and
    /// the fields that are no part of the identity, is that of `planned` if there is one.
    #[doc(hidden)]
    fn revive(fields: Fields<'_>, revived: &Revived, planned: Option<&Self>) -> Result<Self>;

    /// Whether its types alone tell that its JSON gives back the same values.
    #[doc(hidden)]
    fn is_exact() -> bool;
}

/// Fields that are not in a `config.json`, with their values as JSON.
pub type Omitted = BTreeMap<String, serde_json::Value>;
