//! The names of the folders of all derivations, read once.
//!
//! Looking for the beginning of a hash, or for all derivations of a name, needs all of them, and reading a folder of 100,000
//! takes longer than a person notices. The file `cache/index/names` has them with the [`Stamp`] of the folder that they are in: as
//! long as that is the same, no derivation came or went.

use std::sync::{Arc, Mutex, PoisonError};

use super::checked::Temporary;
use super::{Stamp, checked};
use crate::Result;
use crate::store::disk::bytes::{Reader, put_text, put_u64};
use crate::store::disk::entries::each_entry;
use crate::store::disk::layout::Layout;

/// The first bytes of the file.
const MAGIC: &[u8] = b"pylightnix-names-v2\n";

/// So many names are read from the folder as fast.
const FEW: usize = 1000;

/// The names, as this process knows them.
#[derive(Default)]
pub(super) struct Names(Mutex<Option<(Stamp, Arc<Folders>)>>);

/// The folders of all derivations, sorted by name.
#[derive(Default)]
pub(in crate::store) struct Folders {
    /// A line for each.
    names: String,
    /// The inode of each.
    inodes: Vec<u64>,
}

impl Folders {
    /// Their names, and the numbers that the file system gave them.
    pub(in crate::store) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.lines().zip(self.inodes.iter().copied())
    }

    /// How many there are.
    pub(in crate::store) fn len(&self) -> usize {
        self.inodes.len()
    }
}

impl Names {
    /// All entries of the folder of derivations.
    pub(super) fn get(&self, temporary: Temporary<'_>, layout: &Layout) -> Result<Arc<Folders>> {
        let objects = layout.shared_objects();
        // Before anything is read: what changes from here on gives another one.
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
        // Now, not later: what changes while it is read, within a tick of that time, would not show.
        let lasts = stamp.has_passed();
        let mut all: Vec<(String, u64)> = Vec::new();
        each_entry(objects, |name, inode| {
            // A name with a line's end in it is no derivation's.
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
                // Nothing depends on it, so that failing is nothing that anybody has to know.
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
    // They are most of the file: another copy would take as long as reading it.
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
