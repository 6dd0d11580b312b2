//! Signing what is published and accepted here.

use crate::Result;
use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::disk::durable::touch;
use crate::store::disk::regular;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::signature::SignatureFile;
use crate::{Error, ErrorKind};

impl Store {
    /// Signs a build with the own key, if there is one. Returns the name of the file and its bytes. `record` returns the digest of the
    /// realization's record, and is called only if there is a key; `build_bytes` are those of the build record.
    pub(in crate::store) fn signed(
        &self,
        record: impl FnOnce() -> Result<Digest>,
        build: &BuildRecord,
        build_bytes: &[u8],
    ) -> Result<Option<(String, Vec<u8>)>> {
        let Some(key) = self.signer()? else {
            return Ok(None);
        };
        let signature = SignatureFile::sign(key, &record()?, &Digest::of(build_bytes));
        let name = SignatureFile::name_of(build.id, signature.key.id());
        Ok(Some((name, signature.to_bytes())))
    }

    /// Signs the builds and acceptances of a realization that this store has, with the own key: says that its code gave this
    /// result. Returns the number of new signatures. What it has been told is in the build records, so look at them first, or
    /// build it again and compare.
    ///
    /// # Errors
    /// Fails if there is no own key, if the realization is not in the store or is damaged, or if a system call fails.
    pub fn sign(&self, rref: impl AsRef<RRefId>) -> Result<usize> {
        let rref = rref.as_ref();
        if self.signer()?.is_none() {
            return Err(Error::new(ErrorKind::Key, "there is no key to sign with")
                .with_help("`key generate NAME` makes one"));
        }
        let folder = self.records_dir(rref)?;
        let record = self.record_digest(rref)?;
        let manager = self.manager();
        let mut new = 0;
        for build in self.builds(rref)? {
            let path = folder.join(build.file_name());
            let bytes = regular::read(&path).map_err(|error| Error::io("read", &path, error))?;
            if let Some((name, signature)) = self.signed(|| Ok(record), &build, &bytes)? {
                let _shared = manager.lock_shared()?;
                // One that is there stays.
                let is_new = self.durability().publish_file(
                    &manager.temporary()?,
                    &folder.join(name),
                    &signature,
                )?;
                new += usize::from(is_new);
            }
        }
        if new > 0 {
            touch(&self.derivation_dir(rref.dref()))?;
        }
        Ok(new)
    }

    /// Returns the digest of a realization's record. Fails if the record does not have the hash in its name.
    pub(in crate::store) fn record_digest(&self, rref: &RRefId) -> Result<Digest> {
        Ok(Digest::of(self.record(rref)?.to_text().as_bytes()))
    }
}
