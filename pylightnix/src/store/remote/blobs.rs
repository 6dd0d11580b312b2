//! Fetching blobs: from files that are here already, else from the remote.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use rustix::fs::CWD;

use super::line::blob_name;
use super::objects::Remote;
use super::stage::{Arrived, LackingFile};
use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::disk::below::{create_file, open_file};
use crate::store::disk::duplicate::{Refusal, duplicate};
use crate::store::disk::hashing_stream::{HashingStream, hash_passing};
use crate::store::disk::parallel;
use crate::store::disk::sparse::SparseWriter;
use crate::store::object::seal::finish;
use crate::store::object::tree::EntryKind;
use crate::{Error, Result};

/// The number of times that a blob is read before it counts as broken.
const TRIES: u32 = 3;

/// Writes all lacking files of these realizations. Returns why blobs are not usable. `told` is called with the bytes of each blob that
/// was fetched.
pub(super) fn fetch<'s>(
    store: &Store,
    remote: &Remote,
    arrived: impl Iterator<Item = &'s Arrived>,
    told: &mut dyn FnMut(u64),
) -> Result<HashMap<Digest, String>> {
    let mut wanted: BTreeMap<Digest, Vec<&LackingFile>> = BTreeMap::new();
    for file in arrived.flat_map(|arrived| &arrived.lacking) {
        wanted.entry(file.blob).or_default().push(file);
    }
    let mut failed = HashMap::new();
    if wanted.is_empty() {
        return Ok(failed);
    }
    let here = here(store, &wanted)?;
    for (blob, files) in &wanted {
        let mut sources: Vec<PathBuf> = here.get(blob).cloned().unwrap_or_default();
        for file in files {
            let to = create_file(CWD, &file.path)
                .map_err(|errno| Error::io("create", &file.path, errno.into()))?;
            if !copied(&sources, file, &to)? {
                match download(remote, file, &to)? {
                    Ok(()) => told(file.size),
                    Err(why) => {
                        failed.insert(*blob, why);
                        break;
                    }
                }
                sources.insert(0, file.path.clone());
            }
            match file.is_artifact {
                true => finish(&to, &file.path, file.executable, store.durability())?,
                false => store.durability().sync(&to, &file.path)?,
            }
        }
    }
    Ok(failed)
}

/// Finds files of the store with the bytes of these blobs, by its records.
fn here(
    store: &Store,
    wanted: &BTreeMap<Digest, Vec<&LackingFile>>,
) -> Result<HashMap<Digest, Vec<PathBuf>>> {
    let rrefs: Vec<RRefId> = store.rrefs()?;
    let files = parallel::map(&rrefs, parallel::cores(), |_, rref| {
        // One that cannot be read has nothing to give.
        let Ok(record) = store.record(rref) else {
            return Ok(Vec::new());
        };
        let entries = record.manifest().entries().iter();
        let found = entries.filter_map(|entry| match &entry.kind {
            EntryKind::File { digest, .. } if wanted.contains_key(digest) => {
                Some((*digest, store.out_dir(rref).join(&entry.path)))
            }
            _ => None,
        });
        Ok(found.collect())
    })?;
    let mut here: HashMap<Digest, Vec<PathBuf>> = HashMap::new();
    for (digest, path) in files.into_iter().flatten() {
        here.entry(digest).or_default().push(path);
    }
    Ok(here)
}

/// Copies one of the sources whose bytes are right, by sharing blocks where that is possible. Returns whether there is one.
fn copied(sources: &[PathBuf], file: &LackingFile, to: &File) -> Result<bool> {
    let refused = |error| Error::io("write", &file.path, error);
    let mut tried = HashSet::new();
    for source in sources.iter().filter(|source| tried.insert(*source)) {
        let Ok(from) = open_file(CWD, source) else {
            continue;
        };
        match duplicate(&from, to, file.size) {
            Ok(found) if found == (file.blob, file.size) => return Ok(true),
            Ok(_) | Err(Refusal::Read(_)) => to.set_len(0).map_err(refused)?,
            Err(Refusal::Write(error)) => return Err(refused(error)),
        }
    }
    Ok(false)
}

/// Downloads a blob. The inner error says why it is not usable.
fn download(remote: &Remote, file: &LackingFile, to: &File) -> Result<Result<(), String>> {
    let object = blob_name(&file.blob);
    let refused = |error| Error::io("write", &file.path, error);
    let mut why = String::new();
    for _ in 0..TRIES {
        to.set_len(0).map_err(refused)?;
        let opened = match remote.open_object(&object, None) {
            Ok(opened) => opened,
            Err(error) => {
                why = format!("{object} cannot be read: {error}");
                continue;
            }
        };
        let Some(mut reader) = opened else {
            return Ok(Err(format!(
                "{object} is not there, though the index names it"
            )));
        };
        let mut writer = SparseWriter::new(to);
        let (written, found) = hash_passing(file.size, |passing| {
            pass(&mut reader, file.size, passing, &mut |part| {
                writer.write(part)
            })
        });
        match written {
            Ok(size) => {
                writer.finish().map_err(refused)?;
                if (found, size) == (file.blob, file.size) {
                    return Ok(Ok(()));
                }
                why = format!("{object} does not match the hash in its name");
            }
            Err(Stopped::Write(error)) => return Err(refused(error)),
            Err(Stopped::Read(error)) => why = format!("{object} cannot be read: {error}"),
        }
    }
    Ok(Err(why))
}

enum Stopped {
    Read(io::Error),
    Write(io::Error),
}

/// Passes at most one byte more than `size` on. Returns the number of bytes.
fn pass(
    reader: &mut dyn Read,
    size: u64,
    passing: &mut HashingStream,
    write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, Stopped> {
    while passing.size() <= size {
        let room = size - passing.size() + 1;
        let buffer = passing.buffer();
        let length = usize::try_from(room)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = match reader.read(&mut buffer[..length]) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stopped::Read(error)),
        };
        write(&passing.buffer()[..read]).map_err(Stopped::Write)?;
        passing.pass(read);
    }
    Ok(passing.size())
}
