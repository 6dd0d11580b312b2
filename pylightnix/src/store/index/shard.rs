//! The part of the index for derivations whose hashes begin with the same digit: in memory, and as a file.

use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use super::listing::Listing;
use super::{Known, Slice, Stamp, checked};
use crate::config::DRefId;
use crate::fast_hash::FastMap;
use crate::store::bytes::{Reader, put_text};
use crate::store::layout::Layout;
use crate::store::locks::Manager;

/// The first bytes of a file, with the version of all that follows.
const MAGIC: &[u8] = b"pylightnix-index-v3\n";

pub(super) struct Shard {
    /// The digit.
    first: u8,
    /// Whether the file was read.
    is_loaded: bool,
    /// Whether the file does not have all of it.
    is_new: bool,
    known: FastMap<Key, Entry>,
}

/// The hash of a derivation, of which its name follows.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key([u8; 16]);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The first bytes are alike in all keys of a shard.
        let [.., a, b, c, d, e, f, g, h] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// What is known of a derivation, and its name.
struct Entry {
    name: Slice,
    known: Known,
}

impl Shard {
    pub(super) fn new(first: u8) -> Self {
        Shard {
            first,
            is_loaded: false,
            is_new: false,
            known: FastMap::default(),
        }
    }

    /// What is known of a derivation whose folder has this stamp.
    pub(super) fn get(&mut self, layout: &Layout, dref: &DRefId, stamp: &Stamp) -> Option<Known> {
        self.load(layout);
        let known = self.of(dref)?;
        (known.stamp == *stamp).then(|| known.clone())
    }

    fn of(&self, dref: &DRefId) -> Option<&Known> {
        let entry = self.known.get(&Key(*dref.hash()))?;
        // Only a file that somebody made up has another name there.
        (entry.name.get() == dref.name().as_str().as_bytes()).then_some(&entry.known)
    }

    /// Adds what was found out now, and returns what is known of that derivation then.
    pub(super) fn insert(&mut self, layout: &Layout, dref: &DRefId, known: Known) -> Known {
        self.load(layout);
        if let Some(now) = self.of(dref)
            && now.stamp == known.stamp
            && (now.is_settled || !known.is_settled)
        {
            return now.clone();
        }
        let entry = Entry {
            name: Slice::new(dref.name().as_str().into()),
            known: known.clone(),
        };
        self.known.insert(Key(*dref.hash()), entry);
        self.is_new = true;
        known
    }

    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Writes the file anew: with what others wrote meanwhile.
    pub(super) fn save(&mut self, manager: &Manager, layout: &Layout) -> crate::Result<()> {
        // Once is enough to try.
        self.is_new = false;
        self.read(layout);
        let mut body = Vec::new();
        for (key, Entry { name, known }) in &self.known {
            body.extend_from_slice(&key.0);
            put_text(&mut body, name.get());
            known.stamp.put(&mut body);
            body.push(u8::from(known.is_settled));
            put_text(&mut body, known.listing.0.get());
        }
        checked::write(manager, &self.file(layout), MAGIC, &body)
    }

    fn file(&self, layout: &Layout) -> PathBuf {
        layout.index().join(format!("{:x}", self.first))
    }

    fn load(&mut self, layout: &Layout) {
        if !std::mem::replace(&mut self.is_loaded, true) {
            self.read(layout);
        }
    }

    /// Takes in what the file has, unless something newer is known.
    fn read(&mut self, layout: &Layout) {
        let Some((bytes, from)) = checked::read(&self.file(layout), MAGIC) else {
            return;
        };
        if self.known.is_empty() {
            self.known.reserve(bytes.len() / USUAL_ENTRY);
        }
        let bytes = Arc::new(bytes);
        let mut reader = Reader(&bytes[from..]);
        while let Some((key, entry)) = entry(&mut reader, &bytes) {
            let is_older = |now: &Entry| !entry.known.stamp.is_newer(&now.known.stamp);
            if !self.known.get(&key).is_some_and(is_older) {
                self.known.insert(key, entry);
            }
        }
    }
}

/// About how many bytes an entry takes in a file.
const USUAL_ENTRY: usize = 256;

/// The next entry of a file, all of whose bytes are `all`.
fn entry(from: &mut Reader<'_>, all: &Arc<Vec<u8>>) -> Option<(Key, Entry)> {
    let slice = |part: &[u8], from: &Reader<'_>| {
        let end = all.len() - from.0.len();
        Slice {
            bytes: all.clone(),
            at: end - part.len()..end,
        }
    };
    let key = Key(from.array()?);
    let name = slice(from.bytes()?, from);
    let stamp = Stamp::read(from)?;
    let is_settled = from.u8()? == 1;
    let known = Known {
        stamp,
        listing: Listing(slice(from.bytes()?, from)),
        is_settled,
        lasts: true,
    };
    Some((key, Entry { name, known }))
}
