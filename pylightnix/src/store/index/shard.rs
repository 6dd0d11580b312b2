//! A shard: the part of the index for all derivations whose hashes begin with one digit, in memory and as a file.
//!
//! The file is used without parsing it as a whole: the number of entries, then a list of hashes and offsets sorted by hash,
//! then the entries in the order in which they were added. A plan is traversed in that order again, so that entries are read
//! sequentially, which suits hardware prefetching.

use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::listing::Listing;
use super::{IndexEntry, SharedBytes, Stamp};
use crate::config::{DRefId, Name};
use crate::hash_key::HashKey;
use crate::store::disk::bytes::{Reader, put_text, put_u32};
use crate::store::disk::checked::{self, Temporary};
use crate::store::disk::layout::Layout;

/// The magic bytes of a file, which include the version of the format.
const MAGIC: &[u8] = b"pylightnix-index-v10\n";

/// A process that wrote the file writes it again for this number of new entries, or for this part of all.
const FEW: usize = 16;
const A_SMALL_PART: usize = 256;

pub(super) struct Shard {
    /// The first hex digit of the hashes.
    first: u8,
    /// Whether the file was read.
    is_loaded: bool,
    /// The entries of the file.
    stored: ShardFile,
    /// The entries added since, which take precedence.
    fresh: FxHashMap<HashKey, NewEntry>,
    /// Whether this process wrote the file.
    is_written: bool,
}

/// An entry that is not in the file yet.
struct NewEntry {
    /// Its position in the order of addition.
    number: usize,
    name: Name,
    known: IndexEntry,
}

impl Shard {
    pub(super) fn new(first: u8) -> Self {
        Shard {
            first,
            is_loaded: false,
            stored: ShardFile::default(),
            fresh: FxHashMap::default(),
            is_written: false,
        }
    }

    /// Returns the entry of a derivation if it has this stamp.
    pub(super) fn get(
        &mut self,
        layout: &Layout,
        dref: &DRefId,
        stamp: &Stamp,
    ) -> Option<IndexEntry> {
        self.load(layout);
        self.of(dref).filter(|known| known.stamp == *stamp)
    }

    fn of(&self, dref: &DRefId) -> Option<IndexEntry> {
        let key = HashKey(*dref.hash());
        if !self.fresh.is_empty()
            && let Some(fresh) = self.fresh.get(&key)
        {
            return (fresh.name == *dref.name()).then(|| fresh.known.clone());
        }
        let (name, known) = self.stored.get(&key)?;
        // The hash covers the name; only a forged file could have another one.
        (name == dref.name().as_str().as_bytes()).then_some(known)
    }

    /// Adds an entry, and returns the entry that is current afterwards.
    pub(super) fn insert(
        &mut self,
        layout: &Layout,
        dref: &DRefId,
        known: IndexEntry,
    ) -> IndexEntry {
        self.load(layout);
        if let Some(now) = self.of(dref)
            && now.stamp == known.stamp
            && (now.is_settled || !known.is_settled)
        {
            return now;
        }
        let number = self.fresh.len();
        let fresh = NewEntry {
            number,
            name: dref.name().clone(),
            known: known.clone(),
        };
        let key = HashKey(*dref.hash());
        if let Some(old) = self.fresh.insert(key, fresh)
            && let Some(fresh) = self.fresh.get_mut(&key)
        {
            fresh.number = old.number;
        }
        known
    }

    /// Whether there are entries that the file lacks.
    pub(super) fn is_new(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Forgets all entries of this process.
    pub(super) fn clear(&mut self) {
        *self = Shard::new(self.first);
    }

    /// Whether it is worthwhile to write the file. It is rewritten as a whole, so a process that runs many small plans would
    /// write much each time.
    pub(super) fn is_due(&self) -> bool {
        self.is_new()
            && !(self.is_written && self.fresh.len() < FEW.max(self.stored.count / A_SMALL_PART))
    }

    /// Rewrites the file, merged with what other processes wrote in the meantime.
    pub(super) fn save(&mut self, temporary: Temporary<'_>, layout: &Layout) -> crate::Result<()> {
        self.is_written = true;
        self.stored = ShardFile::read(&self.file(layout));
        // Taken even if writing fails: there is no second attempt.
        let mut fresh: Vec<_> = std::mem::take(&mut self.fresh).into_iter().collect();
        fresh.sort_unstable_by_key(|(_, fresh)| fresh.number);
        let mut rests = Vec::with_capacity(fresh.len());
        for (key, NewEntry { name, known, .. }) in fresh {
            let newer = |(_, stored): &(_, IndexEntry)| stored.stamp.is_newer(&known.stamp);
            if !self.stored.get(&key).as_ref().is_some_and(newer) {
                rests.push((key, rest_of(&name, &known)));
            }
        }
        let Some(body) = self.stored.with(&rests) else {
            return Ok(());
        };
        match checked::write(temporary, &self.file(layout), MAGIC, &body) {
            Ok(()) => {
                // Read again when it is needed: at the end of a run that built a large plan memory is scarce.
                self.stored = ShardFile::default();
                self.is_loaded = false;
                Ok(())
            }
            Err(error) => {
                // Use the new content in memory even though it is not on disk.
                self.stored = ShardFile::of(body, 0).unwrap_or_default();
                Err(error)
            }
        }
    }

    fn file(&self, layout: &Layout) -> PathBuf {
        layout.index().join(format!("{:x}", self.first))
    }

    fn load(&mut self, layout: &Layout) {
        if !std::mem::replace(&mut self.is_loaded, true) {
            self.stored = ShardFile::read(&self.file(layout));
        }
    }
}

/// The content of a file.
#[derive(Default)]
struct ShardFile {
    bytes: Arc<Vec<u8>>,
    /// The start of the body, to which all offsets are relative.
    from: usize,
    /// The number of entries.
    count: usize,
}

/// Offset of the list, after the number of entries.
const LIST: usize = 4;

/// Size of a list item: a hash and an offset.
const ENTRY: usize = 16 + 4;

impl ShardFile {
    /// Reads a file. A missing or invalid one counts as empty.
    fn read(file: &Path) -> Self {
        let file = checked::read(file, MAGIC);
        file.and_then(|(bytes, from)| ShardFile::of(bytes, from))
            .unwrap_or_default()
    }

    fn of(bytes: Vec<u8>, from: usize) -> Option<Self> {
        let mut reader = Reader(bytes.get(from..)?);
        let count = reader.u32()? as usize;
        reader.take(count.checked_mul(ENTRY)?)?;
        let bytes = Arc::new(bytes);
        Some(ShardFile { bytes, from, count })
    }

    fn body(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// Returns the list item at this position.
    fn entry(&self, at: usize) -> (HashKey, usize) {
        let mut reader = Reader(&self.body()[LIST + at * ENTRY..]);
        match (reader.array(), reader.u32()) {
            (Some(hash), Some(rest)) => (HashKey(hash), rest as usize),
            _ => unreachable!("the list was seen to be whole"),
        }
    }

    /// Returns the name and the entry of a derivation.
    fn get(&self, key: &HashKey) -> Option<(&[u8], IndexEntry)> {
        let rest = self.find(key)?;
        let mut reader = Reader(self.body().get(rest..)?);
        let name = reader.bytes()?;
        let stamp = Stamp::read(&mut reader)?;
        let is_settled = reader.u8()? == 1;
        let listing = reader.bytes()?;
        let end = self.bytes.len() - reader.0.len();
        let known = IndexEntry {
            stamp,
            listing: Listing(SharedBytes {
                bytes: self.bytes.clone(),
                at: end - listing.len()..end,
            }),
            is_settled,
            lasts: true,
        };
        Some((name, known))
    }

    /// Returns the offset of an entry.
    ///
    /// Uses interpolation search: hashes are uniformly distributed, so the estimate is off by about the square root of their
    /// number. Galloping from the estimate finds an interval, and binary search in it finds the item.
    fn find(&self, key: &HashKey) -> Option<usize> {
        let [a, b, c, d, e, f, g, h, ..] = key.0;
        // The first hex digit is the same in all hashes of the shard.
        let digits = u128::from(u64::from_be_bytes([a, b, c, d, e, f, g, h]) << 4);
        let (mut low, mut step) = (((digits * self.count as u128) >> 64) as usize, 4);
        let mut high = low;
        while low > 0 && self.entry(low - 1).0 >= *key {
            (high, low, step) = (low, low.saturating_sub(step), step * 2);
        }
        while high < self.count && self.entry(high).0 <= *key {
            (low, high, step) = (high, self.count.min(high + step), step * 2);
        }
        while low < high {
            let middle = low.midpoint(high);
            let (found, rest) = self.entry(middle);
            match found.cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(rest),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Returns the content of a file with these entries added or replaced, or `None` if offsets would overflow.
    fn with(&self, new: &[(HashKey, Vec<u8>)]) -> Option<Vec<u8>> {
        let replaced: FxHashSet<HashKey> = new.iter().map(|(key, _)| *key).collect();
        let mut old: Vec<_> = (0..self.count).map(|at| self.entry(at)).collect();
        old.sort_unstable_by_key(|(_, rest)| *rest);
        let ends = (old.iter().skip(1).map(|(_, rest)| *rest)).chain([self.body().len()]);
        let old = old.iter().zip(ends).map(|((key, rest), end)| {
            let rest = self.body().get(*rest..end).unwrap_or_default();
            (*key, rest)
        });
        let mut all: Vec<_> = old.filter(|(key, _)| !replaced.contains(key)).collect();
        all.extend(new.iter().map(|(key, rest)| (*key, rest.as_slice())));
        let mut rest = LIST + ENTRY * all.len();
        let mut list = Vec::with_capacity(all.len());
        for (key, part) in &all {
            list.push((*key, u32::try_from(rest).ok()?));
            rest += part.len();
        }
        list.sort_unstable();
        let mut bytes = Vec::with_capacity(rest);
        put_u32(&mut bytes, u32::try_from(all.len()).ok()?);
        for (key, rest) in list {
            bytes.extend_from_slice(&key.0);
            put_u32(&mut bytes, rest);
        }
        for (_, part) in all {
            bytes.extend_from_slice(part);
        }
        Some(bytes)
    }
}

/// Encodes an entry, without its hash.
fn rest_of(name: &Name, known: &IndexEntry) -> Vec<u8> {
    let mut rest = Vec::new();
    put_text(&mut rest, name.as_str().as_bytes());
    known.stamp.put(&mut rest);
    rest.push(u8::from(known.is_settled));
    put_text(&mut rest, known.listing.0.get());
    rest
}
