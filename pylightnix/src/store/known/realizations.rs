//! Reading realizations by reference.

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{CWD, Dir};
use rustix::io::Errno;
use uuid::Uuid;

use crate::config::{DRefId, Digest, RRefId};
use crate::store::Store;
use crate::store::object::attached::Remark;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::builds::Builds;
use crate::store::object::context::Context;
use crate::store::object::realization::{
    LoadedRealization, ReadBuilds, Realization, broken, missing, open_folder, read_builds,
    read_record, verified_head,
};
use crate::store::object::record::{Outcome, Record, RecordHead};
use crate::store::object::tree::TreeDigest;
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Reads a realization and checks its record against the reference. Does not examine its artifacts.
    ///
    /// # Errors
    /// Fails if it is not in the store ([`ErrorKind::Missing`]), if its record is corrupt ([`ErrorKind::Store`]), or if a
    /// system call fails.
    pub fn realization(&self, rref: impl AsRef<RRefId>) -> Result<Realization> {
        let rref = rref.as_ref();
        let (text, folder) = self.read_realization(rref)?;
        let at = self.realization_dir(rref);
        let found = LoadedRealization::with_record(rref.clone(), &text, folder, &at, None)?;
        let builds = Builds::with_attached(found.builds, &found.attached);
        let realization = self.realization_of(found.id, &found.head, builds);
        Ok(Realization {
            unreadable: found.unreadable,
            ..realization
        })
    }

    /// Whether a realization is in the store.
    ///
    /// # Errors
    /// Fails if its record is corrupt, or if a system call fails.
    pub fn has(&self, rref: impl AsRef<RRefId>) -> Result<bool> {
        let rref = rref.as_ref();
        match self.realization(rref) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads the head of a realization's record and checks the record against the reference.
    pub(in crate::store) fn head(&self, rref: &RRefId) -> Result<RecordHead> {
        let (text, _) = self.read_realization(rref)?;
        verified_head(rref, &text, &self.realization_dir(rref))
    }

    /// Reads the builds, imports and acceptances of a realization, oldest first. Does not read its record.
    pub(in crate::store) fn builds(&self, rref: &RRefId) -> Result<Vec<BuildRecord>> {
        Ok(self.read_builds(rref)?.builds)
    }

    /// Reads all build records of a realization, with those of what is attached to it, for a copy of them.
    pub(in crate::store) fn all_records(&self, rref: &RRefId) -> Result<Vec<BuildRecord>> {
        let read = self.read_builds(rref)?;
        Ok(read.builds.into_iter().chain(read.attached).collect())
    }

    /// Reads the builds of a realization, and its notes and tags.
    pub(in crate::store) fn builds_and_remarks(
        &self,
        rref: &RRefId,
    ) -> Result<(Vec<BuildRecord>, Vec<Remark>)> {
        let read = self.read_builds(rref)?;
        let remarks = Builds::with_attached(Vec::new(), &read.attached).remarks();
        Ok((read.builds, remarks))
    }

    fn read_builds(&self, rref: &RRefId) -> Result<ReadBuilds> {
        let at = self.realization_dir(rref);
        match open_folder(&CWD, at.as_path(), &at)? {
            Some(folder) => read_builds(folder, &at),
            None => Err(missing(rref, &at)),
        }
    }

    /// Returns the identifiers of a realization's builds, imports and acceptances, in no particular order. Lists file names
    /// without reading files. Empty if the realization is not in the store.
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

    /// Reads the complete record of a realization and checks it against the reference.
    ///
    /// # Errors
    /// As [`realization`](Self::realization).
    pub fn record(&self, rref: impl AsRef<RRefId>) -> Result<Record> {
        let rref = rref.as_ref();
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

    /// Assembles a realization from its record head and packed builds.
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

    /// Returns a placeholder realization without artifacts, which is never published: a test double.
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
