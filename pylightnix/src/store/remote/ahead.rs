//! Reading ahead in packs: a run that takes one result after another asks for a few large ranges in place of many small ones.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::line::pack_name;
use super::objects::Remote;
use crate::Result;
use crate::config::Digest;

/// The number of requests to a pack after which more is read than is asked for. A run that takes a few results reads these alone.
const FEW: u32 = 3;
/// How much is read then. A push puts results in the order in which a run asks for them, so that what follows is asked for next.
const AHEAD: u64 = 8 << 20;
/// The number of packs of which something is kept.
const KEPT: usize = 4;

/// What was read of packs, which never change.
#[derive(Default)]
pub(super) struct ReadAhead(Mutex<HashMap<Digest, PackRead>>);

/// What was read of a pack.
#[derive(Default)]
struct PackRead {
    requests: u32,
    /// Where `bytes` begin.
    from: u64,
    bytes: Vec<u8>,
}

/// Bytes of a pack.
pub(super) struct PackBytes {
    pub(super) bytes: Vec<u8>,
    /// The number of bytes that came from the remote for it.
    pub(super) came: u64,
}

impl ReadAhead {
    /// Reads a range of a pack; `None` if there is no such pack.
    pub(super) fn read(
        &self,
        remote: &Remote,
        pack: &Digest,
        range: Range<u64>,
    ) -> Result<Option<PackBytes>> {
        let ahead = {
            let mut packs = self.packs();
            let read = packs.entry(*pack).or_default();
            if let Some(bytes) = read.cut(&range) {
                let bytes = bytes.to_vec();
                return Ok(Some(PackBytes { bytes, came: 0 }));
            }
            read.requests += 1;
            read.requests > FEW
        };
        let end = match ahead {
            true => range.end.max(range.start.saturating_add(AHEAD)),
            false => range.end,
        };
        // Not under the lock: other threads may have what they need.
        let Some(mut bytes) = remote.read_range(&pack_name(pack), range.start..end)? else {
            return Ok(None);
        };
        let came = bytes.len() as u64;
        if ahead {
            let asked = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let wanted = bytes.get(..asked).unwrap_or(&bytes).to_vec();
            let mut packs = self.packs();
            if packs.len() > KEPT {
                packs.retain(|other, _| other == pack);
            }
            let read = packs.entry(*pack).or_default();
            (read.from, read.bytes) = (range.start, std::mem::replace(&mut bytes, wanted));
        }
        Ok(Some(PackBytes { bytes, came }))
    }

    fn packs(&self) -> MutexGuard<'_, HashMap<Digest, PackRead>> {
        // A panic cannot leave it inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PackRead {
    fn cut(&self, range: &Range<u64>) -> Option<&[u8]> {
        let begin = usize::try_from(range.start.checked_sub(self.from)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.from)?).ok()?;
        self.bytes.get(begin..end)
    }
}
