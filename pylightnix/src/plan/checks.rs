//! What is to be refused in configs before they are written anywhere.

use std::any::Any;

use crate::Result;

/// Looks at a config of its type, and passes over all others.
pub(crate) struct ConfigCheck(pub(crate) fn(&dyn Any) -> Result<()>);

inventory::collect!(ConfigCheck);

/// Asks all checks.
pub(super) fn check(config: &dyn Any) -> Result<()> {
    inventory::iter::<ConfigCheck>().try_for_each(|one| (one.0)(config))
}
