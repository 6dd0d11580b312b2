//! What may stand in a field marked `#[dref]`.

use super::{Chosen, Phase};
use crate::Result;
use crate::config::{StoredValue, ValueWriter};
use crate::plan::{AnyDRef, Revived, Wanted};

/// What may stand in a field marked `#[dref]`: a `DRef`, a `RefPath`, or an `Option`, `Vec` or `BTreeMap<String, _>` of
/// such.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a dependency",
    label = "a `#[dref]` field holds a `DRef`, a `RefPath`, or an `Option`, `Vec` or `BTreeMap<String, _>` of those",
    note = "plain data needs no attribute: remove `#[dref]`"
)]
pub trait Dependency: Clone + Send + Sync + 'static {
    /// What it is once its derivations are realized.
    type Realized: Clone + Send + Sync + 'static;

    /// What it is in phase `P`.
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

    /// Says which derivations of which types a stored value names.
    #[doc(hidden)]
    fn declare(value: &StoredValue<'_>, wanted: &mut Wanted) -> Result<()>;

    /// The same, for a config that is read again.
    #[doc(hidden)]
    fn kept(&self) -> Self {
        self.clone()
    }

    /// Makes it again from a stored value.
    #[doc(hidden)]
    fn revive(value: &StoredValue<'_>, revived: &Revived) -> Result<Self>;
}
