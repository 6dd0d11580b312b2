//! The cached list of all derivations' folder names.
//!
//! Looking up a hash prefix or a name needs the whole list, and reading a folder with 100,000 entries takes noticeable time.
//! The file `cache/index/names` stores the list with the [`Stamp`] of the folder, which changes whenever a derivation is added
//! or removed.

use std::sync::{Arc, Mutex, PoisonError};

use super::Stamp;
use crate::Result;
use crate::store::disk::bytes::{Reader, put_text, put_u64};
use crate::store::disk::checked::{self, Temporary};
use crate::store::disk::entries::each_entry;
use crate::store::disk::layout::Layout;

/// The magic bytes of the file.
const MAGIC: &[u8] = b"pylightnix-names-v3\n";

/// Up to this number of names, reading the folder is as fast as reading the file.
const FEW: usize = 1000;

/// The list, cached in memory.
#[derive(Default)]
pub(super) struct Names(Mutex<Option<(Stamp, Arc<Folders>)>>);

/// The folders of all derivations, sorted by name.
#[derive(Default)]
pub(in crate::store) struct Folders {
    /// The names, each ended by a newline.
    names: String,
    /// The inode numbers, in the same order.
    inodes: Vec<u64>,
}

impl Folders {
    /// Iterates over names and inode numbers.
    pub(in crate::store) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.lines().zip(self.inodes.iter().copied())
    }

    /// Returns the number of folders.
    pub(in crate::store) fn len(&self) -> usize {
        self.inodes.len()
    }
}

impl Names {
    /// Returns the entries of the derivations' folder.
    pub(super) fn get(&self, temporary: Temporary<'_>, layout: &Layout) -> Result<Arc<Folders>> {
        let objects = layout.shared_objects();
        // Taken before reading, so that later changes invalidate the list.
        let Some(stamp) = Stamp::of_folder(objects)? else {
            return Ok(Arc::default());
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, folders)) = &*known
            && *before == stamp
        {
            return Ok(folders.clone());
        }
        if let Some((before, folders)) = read(layout)
            && before == stamp
        {
            let folders = Arc::new(folders);
            *known = Some((stamp, folders.clone()));
            return Ok(folders);
        }
        // Computed before reading: a change during the read, within the same clock tick, would be invisible.
        let lasts = stamp.has_passed();
        let mut all: Vec<(String, u64)> = Vec::new();
        each_entry(objects, |name, inode| {
            // A name with a line break is foreign.
            if !name.contains('\n') {
                all.push((name.to_owned(), inode));
            }
        })?;
        all.sort_unstable();
        let mut folders = Folders::default();
        for (name, inode) in all {
            folders.names.push_str(&name);
            folders.names.push('\n');
            folders.inodes.push(inode);
        }
        let folders = Arc::new(folders);
        if lasts {
            *known = Some((stamp, folders.clone()));
            if folders.len() > FEW {
                // Errors are ignored, as the file is only a cache.
                let _ = save(temporary, layout, &stamp, &folders);
            }
        }
        Ok(folders)
    }
}

fn read(layout: &Layout) -> Option<(Stamp, Folders)> {
    let (mut bytes, from) = checked::read(&layout.index().join("names"), MAGIC)?;
    let mut reader = Reader(&bytes[from..]);
    let stamp = Stamp::read(&mut reader)?;
    let length = reader.bytes()?.len();
    let inodes = reader.0.chunks_exact(8);
    let inodes = inodes.map(|chunk| chunk.try_into().map(u64::from_le_bytes));
    let inodes: Vec<u64> = inodes.collect::<Result<_, _>>().ok()?;
    // The names are most of the file: reuse its buffer instead of copying them.
    let end = bytes.len() - reader.0.len();
    bytes.truncate(end);
    bytes.drain(..end - length);
    let names = String::from_utf8(bytes).ok()?;
    Some((stamp, Folders { names, inodes }))
}

fn save(temporary: Temporary<'_>, layout: &Layout, stamp: &Stamp, folders: &Folders) -> Result<()> {
    let mut rest = Vec::new();
    stamp.put(&mut rest);
    put_text(&mut rest, folders.names.as_bytes());
    for inode in &folders.inodes {
        put_u64(&mut rest, *inode);
    }
    checked::write(temporary, &layout.index().join("names"), MAGIC, &rest)
}
