//! The part of the index for derivations whose hashes begin with the same byte: in memory, and as a file.

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::sync::Arc;

use super::listing::Listing;
use super::{Known, Slice, Stamp};
use crate::config::{DRefId, Name};
use crate::store::bytes::{Reader, put_text};
use crate::store::layout::Layout;
use crate::store::locks::Manager;

/// The first bytes of a file, with the version of all that follows. A checksum (CRC-32) of the rest comes next.
const MAGIC: &[u8] = b"pylightnix-index-v1\n";

#[derive(Default)]
pub(super) struct Shard {
    /// Whether the file was read.
    is_loaded: bool,
    /// Whether the file does not have all of it.
    is_new: bool,
    known: HashMap<DRefId, Known, BuildHasherDefault<OfHash>>,
}

impl Shard {
    /// What is known of a derivation whose folder has this stamp.
    pub(super) fn get(&mut self, layout: &Layout, dref: &DRefId, stamp: &Stamp) -> Option<Known> {
        self.load(layout, dref.hash()[0]);
        let known = self.known.get(dref)?;
        (known.stamp == *stamp).then(|| known.clone())
    }

    /// Adds what was found out now, and returns what is known of that derivation then.
    pub(super) fn insert(&mut self, layout: &Layout, dref: &DRefId, known: Known) -> Known {
        self.load(layout, dref.hash()[0]);
        if let Some(now) = self.known.get(dref)
            && now.stamp == known.stamp
            && now.is_settled
        {
            return now.clone();
        }
        self.known.insert(dref.clone(), known.clone());
        self.is_new = true;
        known
    }

    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Writes the file anew: with what others wrote meanwhile.
    pub(super) fn save(
        &mut self,
        manager: &Manager,
        layout: &Layout,
        first: u8,
    ) -> crate::Result<()> {
        // Once is enough to try.
        self.is_new = false;
        self.read(layout, first);
        let mut body = Vec::new();
        for (dref, known) in &self.known {
            body.extend_from_slice(dref.hash());
            put_text(&mut body, dref.name().as_str().as_bytes());
            known.stamp.put(&mut body);
            body.push(u8::from(known.is_settled));
            put_text(&mut body, known.listing.0.get());
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
        let folder = layout.index();
        let draft = manager.temporary()?;
        let refused = |error: io::Error| crate::Error::io("write", &draft, error);
        let done = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&draft, &bytes))
            .and_then(|()| fs::rename(&draft, folder.join(format!("{first:02x}"))));
        if done.is_err() {
            let _ = fs::remove_file(&draft);
        }
        done.map_err(refused)
    }

    fn load(&mut self, layout: &Layout, first: u8) {
        if !std::mem::replace(&mut self.is_loaded, true) {
            self.read(layout, first);
        }
    }

    /// Takes in what the file has, unless something newer is known.
    fn read(&mut self, layout: &Layout, first: u8) {
        let Ok(bytes) = fs::read(layout.index().join(format!("{first:02x}"))) else {
            return;
        };
        let Some(from) = body(&bytes) else {
            return;
        };
        let bytes: Arc<[u8]> = bytes.into();
        let mut reader = Reader(&bytes[from..]);
        while let Some(entry) = entry(&mut reader) {
            let end = bytes.len() - reader.0.len();
            let is_older = |known: &Known| !entry.stamp.is_newer(&known.stamp);
            if self.known.get(&entry.dref).is_some_and(is_older) {
                continue;
            }
            let known = Known {
                stamp: entry.stamp,
                listing: Listing(Slice {
                    bytes: bytes.clone(),
                    at: end - entry.length..end,
                }),
                is_settled: entry.is_settled,
                lasts: true,
            };
            self.known.insert(entry.dref, known);
        }
    }
}

/// Where the entries begin in a file that is whole.
fn body(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
    let checksum = reader.u32()?;
    (crc32fast::hash(reader.0) == checksum).then(|| bytes.len() - reader.0.len())
}

/// An entry of a file.
struct Entry {
    dref: DRefId,
    stamp: Stamp,
    is_settled: bool,
    /// The length of its listing, which is the last of it.
    length: usize,
}

fn entry(from: &mut Reader<'_>) -> Option<Entry> {
    let hash = from.array()?;
    let name = Name::new(from.text()?).ok()?;
    Some(Entry {
        dref: DRefId::new(hash, name),
        stamp: Stamp::read(from)?,
        is_settled: from.u8()? == 1,
        length: from.bytes()?.len(),
    })
}

/// The hash of a derivation is as good as any.
#[derive(Default)]
pub(super) struct OfHash(u64);

impl Hasher for OfHash {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, part: u64) {
        self.0 = part;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
