//! Adding build records to an existing realization.

use crate::Result;
use crate::config::RRefId;
use crate::store::Store;
use crate::store::disk::durable::touch;
use crate::store::disk::layout::RECORD;
use crate::store::disk::there::is_there;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::realization::missing;

impl Store {
    /// Adds a build record to a realization that is in the store.
    pub(crate) fn add_build(
        &self,
        rref: &RRefId,
        build: &BuildRecord,
        log: Option<&[u8]>,
    ) -> Result<()> {
        let bytes = build.to_bytes()?;
        let manager = self.manager();
        let shared = manager.lock_shared()?;
        // Under the lock, under which a stub is filled.
        let folder = self.records_dir(rref)?;
        if !is_there(&folder.join(RECORD))? {
            return Err(missing(rref, &folder));
        }
        // The log first, so that it exists whenever its build record is visible.
        if let Some(log) = log.filter(|log| !log.is_empty()) {
            let name = folder.join(build.log_name());
            self.durability()
                .publish_file(&manager.temporary()?, &name, log)?;
        }
        // What is attached is no build, and nobody asks for its signature.
        if build.attached.is_none()
            && let Some((name, signature)) =
                self.signed(|| self.record_digest(rref), build, &bytes)?
        {
            self.durability().publish_file(
                &manager.temporary()?,
                &folder.join(name),
                &signature,
            )?;
        }
        let name = folder.join(build.file_name());
        self.durability()
            .publish_file(&manager.temporary()?, &name, &bytes)?;
        drop(shared);
        touch(&self.derivation_dir(rref.dref()))
    }
}
