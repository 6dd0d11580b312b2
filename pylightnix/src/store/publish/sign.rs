//! Signing what is published and accepted here.

use std::path::Path;

use crate::Result;
use crate::config::{Digest, RRefId};
use crate::keys::KeyId;
use crate::store::Store;
use crate::store::disk::durable::touch;
use crate::store::disk::layout::RECORD;
use crate::store::disk::regular;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::realization::missing;
use crate::store::object::signature::SignatureFile;
use crate::{Error, ErrorKind};

impl Store {
    /// Signs a build with the own key, if there is one. Returns the name of the file and its bytes. `record` is the text of the
    /// realization's record, `build_bytes` that of the build record.
    pub(in crate::store) fn signed(
        &self,
        record: &str,
        build: &BuildRecord,
        build_bytes: &[u8],
    ) -> Result<Option<(String, Vec<u8>)>> {
        let Some(key) = self.signer()? else {
            return Ok(None);
        };
        let (record, of_build) = (Digest::of(record.as_bytes()), Digest::of(build_bytes));
        let signature = SignatureFile::sign(key, &record, &of_build);
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
        let Some(key) = self.signer()?.map(|key| key.public().id()) else {
            return Err(Error::new(ErrorKind::Key, "there is no key to sign with")
                .with_help("`key generate NAME` makes one"));
        };
        let folder = self.realization_dir(rref);
        // It is damaged if the record does not have the hash in its name.
        let text = self.record(rref)?.to_text();
        let mut new = 0;
        for build in self.builds(rref)? {
            let path = folder.join(build.file_name());
            let bytes = regular::read(&path).map_err(|error| Error::io("read", &path, error))?;
            new += usize::from(self.add_signature(&folder, &text, &build, &bytes, key)?);
        }
        if new > 0 {
            touch(&self.derivation_dir(rref.dref()))?;
        }
        Ok(new)
    }

    fn add_signature(
        &self,
        folder: &Path,
        text: &str,
        build: &BuildRecord,
        bytes: &[u8],
        key: KeyId,
    ) -> Result<bool> {
        let path = folder.join(SignatureFile::name_of(build.id, key));
        if path.exists() {
            return Ok(false);
        }
        let Some((name, signature)) = self.signed(text, build, bytes)? else {
            return Ok(false);
        };
        let manager = self.manager();
        let _shared = manager.lock_shared()?;
        self.durability()
            .publish_file(&manager.temporary()?, &folder.join(name), &signature)
    }

    /// Returns the text of the record of a realization that is there, for a signature.
    pub(in crate::store) fn text_of_record(&self, rref: &RRefId) -> Result<String> {
        let folder = self.realization_dir(rref);
        let path = folder.join(RECORD);
        let bytes = regular::read(&path).map_err(|error| Error::io("read", &path, error))?;
        String::from_utf8(bytes).map_err(|_| missing(rref, &folder))
    }
}
