//! What a remote says about realizations without their files: records and build records.

use std::collections::{HashMap, HashSet};

use super::gather::beside;
use super::index::RemoteIndex;
use super::line::{Bundle, RealizationLine};
use super::objects::Remote;
use super::ranges;
use super::stage::{records, refused};
use crate::config::{DRefId, RRefId};
use crate::keys::KeyId;
use crate::store::Store;
use crate::store::disk::layout::RECORD;
use crate::store::disk::there::is_there;
use crate::store::object::build_record::BuildRecord;
use crate::store::object::record::Record;
use crate::{Error, ErrorKind, Result};

/// The records of a realization at a remote, compared with its reference and with the index.
pub(in crate::store) struct RemoteRecords {
    pub(in crate::store) rref: RRefId,
    pub(in crate::store) record: Record,
    /// The build records, each with the keys of its valid signatures.
    pub(in crate::store) builds: Vec<(BuildRecord, Vec<KeyId>)>,
}

impl Remote {
    /// Reads the records of those realizations of these derivations of which the remote has files that are not here. Returns why others were
    /// passed over as well.
    pub(in crate::store) fn records(
        &self,
        store: &Store,
        drefs: &HashSet<&DRefId>,
    ) -> Result<(Vec<RemoteRecords>, Vec<Error>)> {
        let mut index = RemoteIndex::read_made(self, Some(store))?;
        let mut told = std::mem::take(&mut index.told);
        let mut wanted: Vec<&RealizationLine> = Vec::new();
        for (rref, lines) in &index.realizations {
            if !drefs.contains(rref.dref()) {
                continue;
            }
            let folder = store.records_dir(rref)?;
            let names: HashSet<String> = match is_there(&folder.join(RECORD))? {
                true => beside(&folder)?.into_iter().collect(),
                false => HashSet::new(),
            };
            let brings = |line: &&RealizationLine| {
                let mut files = line.bundle.parts.iter().skip(3);
                files.any(|part| !names.contains(&part.name))
            };
            wanted.extend(lines.iter().filter(brings));
        }
        wanted.sort_unstable_by(|a, b| a.rref.cmp(&b.rref));
        let bundles: Vec<&Bundle> = wanted.iter().map(|line| &line.bundle).collect();
        let mut found: HashMap<RRefId, RemoteRecords> = HashMap::new();
        ranges::fetch(self, &bundles, &mut |_| {}, &mut |at, bytes| {
            let line = wanted[at];
            let read = bytes.and_then(|bytes| {
                records(line, &bytes).map_err(|why| refused(self, &line.rref, &why))
            });
            match read {
                Ok((record, builds)) => {
                    let rref = line.rref.clone();
                    let known = found.entry(rref.clone()).or_insert(RemoteRecords {
                        rref,
                        record,
                        builds: Vec::new(),
                    });
                    known.builds.extend(builds);
                }
                Err(error) if error.kind() == ErrorKind::Remote => told.push(error),
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        Ok((found.into_values().collect(), told))
    }
}
