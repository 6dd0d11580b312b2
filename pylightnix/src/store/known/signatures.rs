//! The signatures of a realization.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use uuid::Uuid;

use crate::config::{Digest, RRefId};
use crate::keys::{KeyId, PublicKey};
use crate::store::Store;
use crate::store::disk::layout::RECORD;
use crate::store::disk::regular;
use crate::store::object::build_files::build_files;
use crate::store::object::build_record::{BuildFile, BuildRecord};
use crate::store::object::realization::missing;
use crate::store::object::signature::{Signature, SignatureFile};
use crate::{Error, Result};

impl Store {
    /// Returns the signatures of the builds and acceptances of a realization, sorted by build and key, each with whether it is
    /// valid. A valid one shows that whoever has that key vouches for this result by this code; whose key it is, only
    /// [`Keys`](crate::keys::Keys) know.
    ///
    /// # Errors
    /// Fails if the realization is not in the store, or if a file cannot be read.
    pub fn signatures(&self, rref: impl AsRef<RRefId>) -> Result<Vec<Signature>> {
        let rref = rref.as_ref();
        let folder = self.records_dir(rref)?;
        let path = folder.join(RECORD);
        let record = match regular::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(missing(rref, &folder));
            }
            bytes => Digest::of(&bytes.map_err(|error| Error::io("read", &path, error))?),
        };
        let mut digests: HashMap<Uuid, Option<Digest>> = HashMap::new();
        let mut found = Vec::new();
        for (build, key) in signed(&folder)? {
            let digest = digests.entry(build).or_insert_with(|| {
                let bytes = regular::read(&folder.join(BuildRecord::name_of(build))).ok()?;
                Some(Digest::of(&bytes))
            });
            let path = folder.join(SignatureFile::name_of(build, key));
            let bytes = regular::read(&path).map_err(|error| Error::io("read", &path, error))?;
            let file = SignatureFile::parse(key, &bytes);
            let is_valid = file
                .zip(digest.as_ref())
                .is_some_and(|(file, digest)| file.is_of(&record, digest));
            found.push(Signature {
                build,
                key,
                is_valid,
            });
        }
        Ok(found)
    }

    /// Returns the names of the files of the valid signatures of a realization, for a copy of them with its build records.
    pub(in crate::store) fn signature_files(&self, rref: &RRefId) -> Result<Vec<String>> {
        if signed(&self.records_dir(rref)?)?.is_empty() {
            return Ok(Vec::new());
        }
        let signatures = self.signatures(rref)?.into_iter();
        let valid = signatures.filter(|signature| signature.is_valid);
        Ok(valid
            .map(|signature| SignatureFile::name_of(signature.build, signature.key))
            .collect())
    }
}

/// Returns the names of the build records and signatures of a realization, without `build-`, sorted. Logs come with their records.
pub(in crate::store) fn files_of_builds(store: &Store, rref: &RRefId) -> Result<Vec<String>> {
    let files = build_files(&store.records_dir(rref)?)?.into_iter();
    let names = files.filter_map(|(file, _)| match file {
        BuildFile::Record(id) => Some(id.to_string()),
        BuildFile::Signature(id, key) => Some(format!("{id}.{key}")),
        BuildFile::Log(_) => None,
    });
    let mut found: Vec<String> = names.collect();
    found.sort_unstable();
    Ok(found)
}

/// Returns those of `keys` of which there are valid signatures of one of these builds in the folder of a realization, each with the build.
/// A file that cannot be read is none. It reads nothing but what it needs, as there may be many realizations.
pub(in crate::store) fn signed_by(
    folder: &Path,
    builds: &[Uuid],
    keys: &[PublicKey],
) -> Vec<(Uuid, KeyId)> {
    let digest = |name: &str| Some(Digest::of(&regular::read(&folder.join(name)).ok()?));
    let mut record = None;
    let mut found = Vec::new();
    for build in builds {
        let mut of_build = None;
        for key in keys {
            let path = folder.join(SignatureFile::name_of(*build, key.id()));
            let Some(signature) =
                (regular::read(&path).ok()).and_then(|bytes| SignatureFile::parse_of(key, &bytes))
            else {
                continue;
            };
            let record = *record.get_or_insert_with(|| digest(RECORD));
            let of_build = *of_build.get_or_insert_with(|| digest(&BuildRecord::name_of(*build)));
            if let (Some(record), Some(of_build)) = (record, of_build)
                && signature.is_of(&record, &of_build)
            {
                found.push((*build, key.id()));
            }
        }
    }
    found
}

/// Returns the builds and keys of which there are signatures in the folder of a realization, sorted.
fn signed(folder: &Path) -> Result<Vec<(Uuid, KeyId)>> {
    let files = build_files(folder)?.into_iter();
    let signatures = files.filter_map(|(file, _)| match file {
        BuildFile::Signature(build, key) => Some((build, key)),
        BuildFile::Log(_) | BuildFile::Record(_) => None,
    });
    Ok(signatures.collect())
}
