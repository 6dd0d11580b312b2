//! The trait that `#[derive(Config)]` implements.

use std::collections::BTreeMap;

use super::{Phase, Promise};
use crate::Result;
use crate::config::{ConfigWriter, Fields};
use crate::plan::{AnyDRef, Revived, Wanted};

/// The parameters of a stage, which identify a derivation: a struct with `#[derive(Config)]`.
///
/// Implement it only with the derive macro, which contains the compile-time checks of plans.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a config",
    label = "not a config",
    note = "a config is a struct with named fields and `#[derive(Config)]`"
)]
pub trait Config: Sized + Send + Sync + 'static {
    /// The fields of the config in phase `P`.
    type Lens<P: Phase>: Send + Sync + 'static;

    /// The return type of a stage of this config: for each promise, a proof that it was kept.
    type Outputs: 'static;

    #[doc(hidden)]
    const PROMISES: &'static [Promise];

    #[doc(hidden)]
    fn lens<P: Phase>(&self, from: &P::Source) -> Self::Lens<P>;

    /// Writes the fields after `name`, and adds those that the JSON omits to `omitted`.
    #[doc(hidden)]
    fn write(&self, out: &mut ConfigWriter, omitted: &mut Omitted) -> Result<()>;

    /// Returns the `unhashed` fields, which are not part of the identity.
    #[doc(hidden)]
    fn unhashed(&self) -> Result<Omitted>;

    #[doc(hidden)]
    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef));

    #[doc(hidden)]
    fn declare(fields: &mut Fields<'_>, wanted: &mut Wanted) -> Result<()>;

    /// Parses the fields of the config's JSON. What the JSON does not contain (matchers and realizers of the dependencies,
    /// and `unhashed` fields) is taken from `planned`, if given.
    #[doc(hidden)]
    fn revive(fields: Fields<'_>, revived: &Revived, planned: Option<&Self>) -> Result<Self>;

    /// Returns whether the types of all fields guarantee a lossless round trip through JSON.
    #[doc(hidden)]
    fn is_exact() -> bool;
}

/// The fields that a `config.json` omits, with their values as JSON.
#[doc(hidden)]
pub type Omitted = BTreeMap<String, serde_json::Value>;
