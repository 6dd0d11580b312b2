//! Reading realizations by their references.

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{CWD, Dir};
use rustix::io::Errno;
use uuid::Uuid;

use crate::config::{DRefId, Digest, RRefId};
use crate::store::Store;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::builds::Builds;
use crate::store::object::context::Context;
use crate::store::object::realization::{
    Found, Realization, broken, missing, open_folder, read_builds, read_record, verified_head,
};
use crate::store::object::record::{Outcome, Record, RecordHead};
use crate::store::object::tree::TreeDigest;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// A realization, its record checked against its reference. Its artifacts are not looked at.
    ///
    /// # Errors
    /// One that is not in the store ([`ErrorKind::Missing`]), a broken record ([`ErrorKind::Store`]), a refusal of the
    /// system.
    pub fn realization(&self, rref: &RRefId) -> Result<Realization> {
        let (text, folder) = self.read_realization(rref)?;
        let at = self.realization_dir(rref);
        let found = Found::with_record(rref.clone(), &text, folder, &at, None)?;
        let builds = Builds::of(found.builds);
        let realization = self.realization_of(found.id, &found.head, builds);
        Ok(Realization {
            unreadable: found.unreadable,
            ..realization
        })
    }

    /// Whether a realization is in the store.
    ///
    /// # Errors
    /// A broken record, or a refusal of the system.
    pub fn has(&self, rref: &RRefId) -> Result<bool> {
        match self.realization(rref) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the record of a realization says before the manifest, checked against its reference.
    pub(in crate::store) fn head(&self, rref: &RRefId) -> Result<RecordHead> {
        let (text, _) = self.read_realization(rref)?;
        verified_head(rref, &text, &self.realization_dir(rref))
    }

    /// The builds, imports and acceptances of a realization, oldest first. Its record is not looked at.
    pub(in crate::store) fn builds(&self, rref: &RRefId) -> Result<Vec<BuildRecord>> {
        let at = self.realization_dir(rref);
        match open_folder(&CWD, at.as_path(), &at)? {
            Some(folder) => Ok(read_builds(folder, &at)?.0),
            None => Err(missing(rref, &at)),
        }
    }

    /// The identifiers of the builds, imports and acceptances of a realization, in no order, by the names of their files:
    /// nothing is read. None if it is not in the store.
    pub(crate) fn build_ids(&self, rref: &RRefId) -> Result<Vec<Uuid>> {
        let at = self.realization_dir(rref);
        let refused = |errno: Errno| Error::io("read the folder", &at, errno.into());
        let Some(folder) = open_folder(&CWD, at.as_path(), &at)? else {
            return Ok(Vec::new());
        };
        let mut ids = Vec::new();
        for entry in Dir::new(folder).map_err(refused)? {
            ids.extend(BuildRecord::id_of(
                entry.map_err(refused)?.file_name().to_bytes(),
            ));
        }
        Ok(ids)
    }

    /// The whole record of a realization, checked against its reference.
    ///
    /// # Errors
    /// As [`realization`](Self::realization).
    pub fn record(&self, rref: &RRefId) -> Result<Record> {
        let (text, _) = self.read_realization(rref)?;
        let at = self.realization_dir(rref);
        verified_head(rref, &text, &at)?;
        Record::parse(&text).map_err(|error| broken(rref, &at).because(error))
    }

    fn read_realization(&self, rref: &RRefId) -> Result<(String, OwnedFd)> {
        let at = self.realization_dir(rref);
        let Some(folder) = open_folder(&CWD, at.as_path(), &at)? else {
            return Err(missing(rref, &at));
        };
        match read_record(folder.as_fd(), &at)? {
            Some(text) => Ok((text, folder)),
            None => Err(missing(rref, &at)),
        }
    }

    /// With builds that are packed.
    pub(in crate::store) fn realization_of(
        &self,
        id: RRefId,
        head: &RecordHead,
        builds: Builds,
    ) -> Realization {
        Realization {
            id,
            context: head.context.clone(),
            outcome: head.outcome,
            tree: head.tree,
            builds,
            unreadable: Vec::new(),
            objects: self.layout().shared_objects().clone(),
        }
    }

    /// A realization without artifacts that was never published: a test double.
    pub(crate) fn nothing_made(&self, dref: &DRefId, context: &Context) -> Realization {
        let head = RecordHead {
            derivation: Digest([0; 32]),
            context: context.clone(),
            outcome: Outcome::Ok,
            tree: TreeDigest {
                digest: Digest([0; 32]),
                size: 0,
            },
        };
        self.realization_of(
            RRefId::new([0; 16], dref.clone()),
            &head,
            Builds::of(Vec::new()),
        )
    }
}
