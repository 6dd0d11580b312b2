//! Reading realizations by reference.

use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{CWD, Dir};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use crate::config::{DRefId, Digest, RRefId};
use crate::store::Store;
use crate::store::disk::layout::RECORD;
use crate::store::disk::there::is_there;
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

/// The open folder with the records of a realization.
struct Records {
    folder: OwnedFd,
    at: PathBuf,
    is_stub: bool,
}

impl Store {
    /// Reads a realization, or the stub of one, and checks its record against the reference. Does not examine its artifacts.
    ///
    /// # Errors
    /// Fails if it is not in the store ([`ErrorKind::Missing`]), if its record is corrupt ([`ErrorKind::Store`]), or if a
    /// system call fails.
    pub fn realization(&self, rref: impl AsRef<RRefId>) -> Result<Realization> {
        let rref = rref.as_ref();
        let (text, records) = self.read_record(rref)?;
        let Records {
            folder,
            at,
            is_stub,
        } = records;
        let found = LoadedRealization::with_record(rref.clone(), &text, folder, &at, None)?;
        let builds = Builds::with_attached(found.builds, &found.attached);
        let realization = self.realization_of(found.id, &found.head, builds);
        Ok(Realization {
            unreadable: found.unreadable,
            is_stub,
            ..realization
        })
    }

    /// Whether a realization is in the store, or the stub of one; see [`Realization::is_stub`].
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
        let (text, records) = self.read_record(rref)?;
        verified_head(rref, &text, &records.at)
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
        match self.open_records(rref)? {
            Some(Records { folder, at, .. }) => read_builds(folder, &at),
            None => Err(missing(rref, &self.realization_dir(rref))),
        }
    }

    /// Returns the identifiers of a realization's builds, imports and acceptances, in no particular order. Lists file names
    /// without reading files. Empty if the realization is not in the store.
    pub(crate) fn build_ids(&self, rref: &RRefId) -> Result<Vec<Uuid>> {
        let Some(Records { folder, at, .. }) = self.open_records(rref)? else {
            return Ok(Vec::new());
        };
        let refused = |errno: Errno| Error::io("read the folder", &at, errno.into());
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
        let (text, records) = self.read_record(rref)?;
        verified_head(rref, &text, &records.at)?;
        Record::parse(&text).map_err(|error| broken(rref, &records.at).because(error))
    }

    /// Reads the record of a realization from the folder `at`, in this store or elsewhere.
    pub(in crate::store) fn record_in(&self, rref: &RRefId, at: &Path) -> Result<Record> {
        let folder = open_folder(&CWD, at, at)?;
        let text = folder.map(|folder| read_record(folder.as_fd(), at));
        let Some(text) = text.transpose()?.flatten() else {
            return Err(missing(rref, at));
        };
        verified_head(rref, &text, at)?;
        Record::parse(&text).map_err(|error| broken(rref, at).because(error))
    }

    fn read_record(&self, rref: &RRefId) -> Result<(String, Records)> {
        if let Some(records) = self.open_records(rref)?
            && let Some(text) = read_record(records.folder.as_fd(), &records.at)?
        {
            return Ok((text, records));
        }
        Err(missing(rref, &self.realization_dir(rref)))
    }

    /// Opens the folder with the records of a realization: its own, or that of its stub.
    fn open_records(&self, rref: &RRefId) -> Result<Option<Records>> {
        // A stub that is filled meanwhile is neither there, nor was the whole there before.
        for is_stub in [false, true, false] {
            let at = match is_stub {
                true => self.layout().stub(rref),
                false => self.realization_dir(rref),
            };
            if let Some(folder) = open_folder(&CWD, at.as_path(), &at)? {
                let records = Records {
                    folder,
                    at,
                    is_stub,
                };
                return Ok(Some(records));
            }
        }
        Ok(None)
    }

    /// Returns the folder with the records of a realization: its own, or that of its stub. Its own if there is neither.
    pub(crate) fn records_dir(&self, rref: &RRefId) -> Result<PathBuf> {
        let (whole, stub) = (self.realization_dir(rref), self.layout().stub(rref));
        match !is_there(&whole)? && is_there(&stub)? {
            true => Ok(stub),
            false => Ok(whole),
        }
    }

    /// Whether the records of a realization are in the store, be it whole or a stub. Does not read them.
    pub(in crate::store) fn is_known(&self, rref: &RRefId) -> Result<bool> {
        Ok(self.is_whole(rref)?
            || is_there(&self.layout().stub(rref).join(RECORD))?
            || self.is_whole(rref)?)
    }

    /// Whether a realization is in the store with its files. Does not read them.
    pub(crate) fn is_whole(&self, rref: &RRefId) -> Result<bool> {
        is_there(&self.realization_dir(rref).join(RECORD))
    }

    /// Whether the records of a realization are in the store, and its files are not; see [`Realization::is_stub`].
    ///
    /// # Errors
    /// Fails if a system call fails.
    pub fn is_stub(&self, rref: impl AsRef<RRefId>) -> Result<bool> {
        let rref = rref.as_ref();
        let stub = self.layout().stub(rref);
        Ok(!self.is_whole(rref)? && is_there(&stub)? && !self.is_whole(rref)?)
    }

    /// Fails if the files of a realization are not in the store, and its records are.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`], with the command that fetches the files; or if a system call fails.
    pub fn expect_files(&self, rref: impl AsRef<RRefId>) -> Result<()> {
        let rref = rref.as_ref();
        if !self.is_stub(rref)? {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Missing,
            format!("the files of {rref} are not in this store, which has only its records"),
        )
        .at(&self.layout().stub(rref))
        .with_help(format!("`pull {rref}` fetches them from a remote")))
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
            is_stub: false,
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
