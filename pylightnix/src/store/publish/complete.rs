//! Refusing to pack or copy realizations with missing artifacts.

use crate::config::{ConfigJson, RRefId};
use crate::store::Store;
use crate::store::object::record::Record;
use crate::store::object::violation::lacking_in;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Checks that a realization may be packed or copied: that publishing would accept its artifacts.
    pub(in crate::store) fn expect_complete(&self, rref: &RRefId) -> Result<()> {
        expect_complete(self, rref, &self.config(rref.dref())?, &self.record(rref)?)
    }
}

/// Fails if a realization with this record violates a rule of publication.
pub(in crate::store) fn expect_complete(
    store: &Store,
    rref: &RRefId,
    config: &ConfigJson,
    record: &Record,
) -> Result<()> {
    let Some(lack) = lacking_in(config, record).into_iter().next() else {
        return Ok(());
    };
    let path = store.out_dir(rref).join(&lack.path);
    let message = format!(
        "{rref} cannot be packed or copied: {} {lack}",
        path.display()
    );
    Err(Error::new(ErrorKind::Store, message)
        .at(&path)
        .with_help(lack.help()))
}
