//! What a remote has whole at this moment.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::index::RemoteIndex;
use super::line::{Bundle, RealizationLine, blob_name};
use super::objects::Remote;
use super::ranges;
use super::stage::examine;
use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::{ErrorKind, Result};

impl Remote {
    /// Returns those of these realizations that the remote has whole, with `names`, the files beside the record. Reads and verifies all but
    /// the large files, of which it asks the sizes: what lies under their names has the hash that the name says, or `verify` finds it.
    pub(in crate::store) fn has_whole(
        &self,
        store: &Store,
        rrefs: &[(RRefId, Vec<String>)],
    ) -> Result<HashSet<RRefId>> {
        let index = RemoteIndex::read_made(self, Some(store))?;
        let mut lines: Vec<&RealizationLine> = Vec::new();
        for (rref, names) in rrefs {
            let of = index.realizations.get(rref).into_iter().flatten();
            let parts = of.flat_map(|line| &line.bundle.parts);
            let there: HashSet<&str> = parts.map(|part| part.name.as_str()).collect();
            if names.iter().all(|name| there.contains(name.as_str())) {
                lines.extend(index.fullest(rref));
            }
        }
        let bundles: Vec<&Bundle> = lines.iter().map(|line| &line.bundle).collect();
        let mut whole = HashSet::new();
        ranges::fetch(self, &bundles, &mut |_| {}, &mut |at, bytes| {
            match bytes {
                Ok(bytes) if examine(lines[at], &bytes).is_ok() => drop(whole.insert(at)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Remote => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        let of_whole = whole.iter().flat_map(|at| &lines[*at].blobs);
        let blobs: BTreeSet<(Digest, u64)> = of_whole.copied().collect();
        let mut sizes: HashMap<Digest, Option<u64>> = HashMap::new();
        for (blob, _) in blobs {
            sizes.insert(blob, self.size(&blob_name(&blob))?);
        }
        let has_all = |line: &&RealizationLine| {
            let mut blobs = line.blobs.iter();
            blobs.all(|(blob, size)| sizes.get(blob) == Some(&Some(*size)))
        };
        let there = whole.iter().map(|at| lines[*at]).filter(has_all);
        Ok(there.map(|line| line.rref.clone()).collect())
    }
}
