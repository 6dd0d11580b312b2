//! Checks that refuse configs before they are written anywhere.

use std::any::Any;

use crate::Result;

/// A check of one type of config, which ignores all other types.
pub(crate) struct ConfigCheck(pub(crate) fn(&dyn Any) -> Result<()>);

inventory::collect!(ConfigCheck);

/// Runs all checks on a config.
pub(super) fn check(config: &dyn Any) -> Result<()> {
    inventory::iter::<ConfigCheck>().try_for_each(|one| (one.0)(config))
}
