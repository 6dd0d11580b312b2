//! The types of fields marked `#[dref]`.

use super::{Chosen, Phase};
use crate::Result;
use crate::config::{StoredValue, ValueWriter};
use crate::plan::{AnyDRef, Revived, Wanted};

/// The type of a field marked `#[dref]`: a `DRef`, a `RefPath`, or an `Option`, `Vec` or `BTreeMap<String, _>` of those.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a dependency",
    label = "a `#[dref]` field holds a `DRef`, a `RefPath`, or an `Option`, `Vec` or `BTreeMap<String, _>` of those",
    note = "plain data needs no attribute: remove `#[dref]`"
)]
pub trait Dependency: Clone + Send + Sync + 'static {
    /// The type of the field after its derivations are realized.
    type Realized: Clone + Send + Sync + 'static;

    /// Converts the field to its type in phase `P`.
    #[doc(hidden)]
    fn view<P: Phase>(&self, from: &P::Source) -> P::Dep<Self> {
        P::dep(from, self)
    }

    #[doc(hidden)]
    fn visit(&self, visit: &mut dyn FnMut(&AnyDRef));

    #[doc(hidden)]
    fn write(&self, out: ValueWriter<'_>);

    #[doc(hidden)]
    fn resolve(&self, chosen: &Chosen) -> Self::Realized;

    /// Adds the derivations that a stored value names, with their types, to `wanted`.
    #[doc(hidden)]
    fn declare(value: &StoredValue<'_>, wanted: &mut Wanted) -> Result<()>;

    /// Returns a copy for a config that is parsed from its JSON again.
    #[doc(hidden)]
    fn kept(&self) -> Self {
        self.clone()
    }

    /// Parses a stored value.
    #[doc(hidden)]
    fn revive(value: &StoredValue<'_>, revived: &Revived) -> Result<Self>;
}
