//! Refusing to pack, copy or carry realizations with missing artifacts.

use crate::config::{ConfigJson, RRefId};
use crate::store::Store;
use crate::store::object::record::Record;
use crate::store::object::violation::lacking_in;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Checks that a realization may be packed or copied: that publishing would accept its artifacts.
    pub(in crate::store) fn expect_complete(&self, rref: &RRefId) -> Result<()> {
        let (config, record) = (self.config(rref.dref())?, self.record(rref)?);
        expect_complete(self, rref, &config, &record, "packed or copied")
    }
}

/// Fails if a realization with this record violates a rule of publication. `done` says what would be done with it.
pub(in crate::store) fn expect_complete(
    store: &Store,
    rref: &RRefId,
    config: &ConfigJson,
    record: &Record,
    done: &str,
) -> Result<()> {
    let Some(lack) = lacking_in(config, record).into_iter().next() else {
        return Ok(());
    };
    let path = store.out_dir(rref).join(&lack.path);
    let message = format!("{rref} cannot be {done}: {} {lack}", path.display());
    Err(Error::new(ErrorKind::Store, message)
        .at(&path)
        .with_help(lack.help()))
}
