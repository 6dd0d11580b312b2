//! The names of the folders of all derivations, read once.
//!
//! Looking for the beginning of a hash, or for all derivations of a name, needs all of them, and reading a folder of 100,000
//! takes longer than a person notices. The file `cache/index/names` has them with the [`Stamp`] of the folder that they are in: as
//! long as that is the same, no derivation came or went.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use super::Stamp;
use crate::store::bytes::{Reader, put_text};
use crate::store::layout::Layout;
use crate::store::locks::Manager;
use crate::{Error, Result};

/// The first bytes of the file. A checksum (CRC-32) of the rest comes next.
const MAGIC: &[u8] = b"pylightnix-names-v1\n";

/// So many names are read from the folder as fast.
const FEW: usize = 1000;

/// The names, as this process knows them.
#[derive(Default)]
pub(super) struct Names(Mutex<Option<(Stamp, Arc<str>)>>);

impl Names {
    /// The names of all entries of the folder of derivations, sorted, a line each.
    pub(super) fn get(&self, manager: &Manager, layout: &Layout) -> Result<Arc<str>> {
        let objects = layout.objects();
        // Before anything is read: what changes from here on gives another one.
        let Some(stamp) = Stamp::of_folder(&objects)? else {
            return Ok("".into());
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, names)) = &*known
            && *before == stamp
        {
            return Ok(names.clone());
        }
        if let Some((before, names)) = read(layout)
            && before == stamp
        {
            *known = Some((stamp, names.clone()));
            return Ok(names);
        }
        // Now, not later: what changes while it is read, within a tick of that time, would not show.
        let lasts = stamp.has_passed();
        let refused = |error| Error::io("read the folder", &objects, error);
        let mut all = Vec::new();
        for entry in fs::read_dir(&objects).map_err(refused)? {
            all.extend(entry.map_err(refused)?.file_name().into_string());
        }
        all.sort_unstable();
        // A name with a line's end in it is no derivation's, and its parts are none.
        let names: Arc<str> = all.join("\n").into();
        if lasts {
            *known = Some((stamp, names.clone()));
            if all.len() > FEW {
                // Nothing depends on it, so that failing is nothing that anybody has to know.
                let _ = save(manager, layout, &stamp, &names);
            }
        }
        Ok(names)
    }
}

fn read(layout: &Layout) -> Option<(Stamp, Arc<str>)> {
    let bytes = fs::read(layout.index().join("names")).ok()?;
    let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
    let checksum = reader.u32()?;
    if crc32fast::hash(reader.0) != checksum {
        return None;
    }
    Some((Stamp::read(&mut reader)?, reader.text()?.into()))
}

fn save(manager: &Manager, layout: &Layout, stamp: &Stamp, names: &str) -> Result<()> {
    let mut body = Vec::new();
    stamp.put(&mut body);
    put_text(&mut body, names.as_bytes());
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    let folder = layout.index();
    let draft = manager.temporary()?;
    let done = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&draft, &bytes))
        .and_then(|()| fs::rename(&draft, folder.join("names")));
    if done.is_err() {
        let _ = fs::remove_file(&draft);
    }
    done.map_err(|error| Error::io("write", &draft, error))
}
