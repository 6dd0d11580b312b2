//! Fetching blobs: from files that are here already, else from the remote.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use rustix::fs::CWD;

use super::line::blob_name;
use super::objects::Remote;
use super::partial::Partial;
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
/// From this size on, what has arrived of a blob survives a break.
const KEPT: u64 = 8 << 20;
/// The number of bytes after which a break is no repetition of the one before.
const FURTHER: u64 = 1 << 20;

/// Writes all lacking files of these realizations, from those of `local` if they have the same bytes. Returns why blobs are not usable. `told` is called with the bytes of each blob that
/// was fetched.
pub(super) fn fetch<'s>(
    store: &Store,
    remote: &Remote,
    local: impl FnOnce() -> Result<Vec<RRefId>>,
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
    let here = here(store, &local()?, &wanted)?;
    for (blob, files) in &wanted {
        let mut sources: Vec<PathBuf> = here.get(blob).cloned().unwrap_or_default();
        for file in files {
            let mut to = create_file(CWD, &file.path)
                .map_err(|errno| Error::io("create", &file.path, errno.into()))?;
            if !copied(&sources, file, &to)? {
                let is_kept = file.size >= KEPT;
                let kept = is_kept.then(|| Partial::open(store, blob)).flatten();
                let into = kept.as_ref().map_or(&to, Partial::file);
                match download(remote, file, into)? {
                    Ok(came) => {
                        if let Some(kept) = kept {
                            to = kept.move_to(&file.path, to, file.size)?;
                        }
                        told(came);
                    }
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

/// Finds files of these realizations of the store with the bytes of these blobs, by their records.
fn here(
    store: &Store,
    rrefs: &[RRefId],
    wanted: &BTreeMap<Digest, Vec<&LackingFile>>,
) -> Result<HashMap<Digest, Vec<PathBuf>>> {
    let files = parallel::map(rrefs, parallel::cores(), |_, rref| {
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

/// Downloads a blob, or what a file lacks of it. Returns the number of bytes that came. The inner error says why it is not usable.
fn download(remote: &Remote, file: &LackingFile, to: &File) -> Result<Result<u64, String>> {
    let object = blob_name(&file.blob);
    let refused = |error| Error::io("write", &file.path, error);
    let mut came = 0;
    for _ in 0..TRIES {
        let length = to.metadata().map_err(refused)?.len();
        let there = length.min(file.size);
        if length > there {
            to.set_len(there).map_err(refused)?;
        }
        let (ended, found) = hash_passing(file.size, |passing| {
            hash_again(to, there, passing).map_err(Stopped::Write)?;
            let ended = arrive(remote, &object, file.size, to, passing);
            came += passing.size().saturating_sub(there);
            ended
        });
        match ended {
            Ok(()) if found == file.blob => return Ok(Ok(came)),
            // What was there, or what came, is wrong.
            Ok(()) => to.set_len(0).map_err(refused)?,
            Err(Stopped::Write(error)) => return Err(refused(error)),
            Err(Stopped::Read(why)) => return Ok(Err(format!("{object} {why}"))),
        }
    }
    Ok(Err(format!("{object} does not match the hash in its name")))
}

enum Stopped {
    /// A predicate.
    Read(String),
    Write(io::Error),
}

/// Hashes the bytes that a file has already.
fn hash_again(file: &File, there: u64, passing: &mut HashingStream) -> io::Result<()> {
    while passing.size() < there {
        let at = passing.size();
        let length = (there - at).min(passing.buffer().len() as u64) as usize;
        match file.read_at(&mut passing.buffer()[..length], at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => passing.pass(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fetches what lacks of an object, and goes on where it breaks off. What came stays in the file, also when no more comes. Where the
/// object has another size, the hash tells.
fn arrive(
    remote: &Remote,
    object: &str,
    size: u64,
    to: &File,
    passing: &mut HashingStream,
) -> Result<(), Stopped> {
    let mut tries = 0;
    while passing.size() < size {
        let from = passing.size();
        // One byte more tells an object that is too long.
        let range = (from > 0).then(|| from..size + 1);
        let why = match remote.open_object(object, range) {
            Ok(None) if from == 0 => {
                let why = "is not there, though the index names it";
                return Err(Stopped::Read(why.to_owned()));
            }
            Ok(None) => return Ok(()),
            Ok(Some(mut reader)) => {
                let mut writer = SparseWriter::going_on(to, from);
                let passed = pass(&mut reader, size, passing, &mut |part| writer.write(part));
                writer.finish().map_err(Stopped::Write)?;
                match passed {
                    Ok(()) if passing.size() == from => return Ok(()),
                    Ok(()) => "cannot be read: it broke off".to_owned(),
                    Err(Stopped::Read(why)) => why,
                    Err(stopped) => return Err(stopped),
                }
            }
            Err(error) => format!("cannot be read: {error}"),
        };
        // Whoever gets on may go on.
        let is_further = passing.size() - from >= FURTHER;
        tries = if is_further { 1 } else { tries + 1 };
        if tries >= TRIES && passing.size() < size {
            return Err(Stopped::Read(why));
        }
    }
    Ok(())
}

/// Passes at most one byte more than `size` on.
fn pass(
    reader: &mut dyn Read,
    size: u64,
    passing: &mut HashingStream,
    write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Stopped> {
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
            Err(error) => return Err(Stopped::Read(format!("cannot be read: {error}"))),
        };
        write(&passing.buffer()[..read]).map_err(Stopped::Write)?;
        passing.pass(read);
    }
    Ok(())
}
