//! Verifying a remote: everything that its index names is read and compared with the hash in its name.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::index::{RemoteIndex, hole_name};
use super::line::{Bundle, Line, MOST_IN_PACK, blob_name, pack_name};
use super::objects::Remote;
use super::pack::unpack;
use super::segment::{self, MOST_PACKED};
use super::stage::examine;
use crate::config::{Digest, RRefId};
use crate::{Error, ErrorKind, Result};

/// The number of times that everything is read, if a collection replaces segments meanwhile.
const LOOKS: usize = 3;

/// What is wrong at a remote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Hole {
    /// The name of the object.
    pub object: String,
    /// What is wrong with it, as a predicate.
    pub message: String,
}

/// What verifying a remote found.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// The number of segments, packs and blobs that were read.
    pub objects: u64,
    /// Their bytes.
    #[serde(rename = "size_bytes")]
    pub bytes: u64,
    /// The number of packs and blobs that were not read, as only a sample was.
    pub passed_over: u64,
    /// The number of realizations in the index.
    pub realizations: u64,
    /// The objects that are broken or missing, and segments that name what is not there, as far as no note tells of them yet.
    pub holes: Vec<Hole>,
    /// The realizations that the remote had and that are lost until somebody pushes them again: all that the index says of them
    /// points to something broken. Then those that were made from something that the index does not name.
    pub lost: Vec<RRefId>,
    /// Whether the holes are noted at the remote, so that the next push of what they held mends them.
    pub noted: bool,
    /// The number of requests.
    pub requests: u64,
}

/// A walk through a remote.
struct Walk<'a> {
    remote: &'a Remote,
    /// The part of the packs and blobs that are read, of 256.
    sample: u32,
    found: Verified,
    /// What is wrong, by the name of the object.
    holes: BTreeMap<String, String>,
}

impl Remote {
    /// Reads everything that the index names, or of the packs and blobs a part between 0 and 1 that is chosen by their hashes, and compares
    /// it. Notes at the remote what is broken, if it can be written: what a noted object holds does not count any more, until it is pushed
    /// again.
    ///
    /// # Errors
    /// Fails if there is no remote, or if it cannot be reached.
    pub fn verify(&self, sample: f64) -> Result<Verified> {
        self.verify_at_most(sample, LOOKS)
    }

    fn verify_at_most(&self, sample: f64, looks: usize) -> Result<Verified> {
        let before = self.requests();
        let mut index = RemoteIndex::read_made(self, None)?;
        let mut walk = Walk {
            remote: self,
            sample: (sample.clamp(0.0, 1.0) * 256.0).ceil() as u32,
            found: Verified {
                objects: 0,
                bytes: 0,
                passed_over: 0,
                realizations: 0,
                holes: Vec::new(),
                lost: Vec::new(),
                noted: true,
                requests: 0,
            },
            holes: BTreeMap::new(),
        };
        let whole = walk.noted(&index)?;
        let mut lines = walk.segments(&index)?;
        let rrefs: BTreeSet<RRefId> = lines.iter().filter_map(|(_, line)| rref_of(line)).collect();
        let is_broken =
            |line: &Line, holes: &dyn Fn(&String) -> bool| line.objects().iter().any(holes);
        lines.retain(|(_, line)| {
            !is_broken(line, &|object| {
                index.holes.contains(object) && !whole.contains(object)
            })
        });
        walk.objects(&lines)?;
        let holes = walk.holes;
        // A collection may have deleted what is missing, with the segments that name it.
        if !holes.is_empty() && looks > 1 {
            let listed = RemoteIndex::read(self, None)?.segments;
            if !index.segments.is_subset(&listed) {
                return self.verify_at_most(sample, looks - 1);
            }
        }
        let mut found = walk.found;
        lines.retain(|(segment, line)| {
            !holes.contains_key(segment) && !is_broken(line, &|object| holes.contains_key(object))
        });
        found.realizations = rrefs.len() as u64;
        found.lost = lost(&lines, rrefs);
        found.holes = (holes.into_iter())
            .map(|(object, message)| Hole { object, message })
            .collect();
        found.noted = match note(self, &mut index, &found.holes, &whole) {
            Err(error) if error.kind() == ErrorKind::Remote => false,
            noted => noted.map(|()| true)?,
        };
        found.requests = self.requests() - before;
        Ok(found)
    }
}

impl Verified {
    /// Whether nothing is broken or lost, as far as everything was read.
    pub fn is_sound(&self) -> bool {
        self.holes.is_empty() && self.lost.is_empty()
    }
}

fn rref_of(line: &Line) -> Option<RRefId> {
    match line {
        Line::Realization(line) => Some(line.rref.clone()),
        Line::Code(_) => None,
    }
}

/// Returns the realizations that no good line names, and those that were made from something that no good line names.
fn lost(good: &[(String, Line)], mut rrefs: BTreeSet<RRefId>) -> Vec<RRefId> {
    let known: BTreeSet<RRefId> = good.iter().filter_map(|(_, line)| rref_of(line)).collect();
    let open = good.iter().filter_map(|(_, line)| match line {
        Line::Realization(line) if line.deps.iter().any(|dep| !known.contains(dep)) => {
            Some(line.rref.clone())
        }
        _ => None,
    });
    let open: Vec<RRefId> = open.collect();
    rrefs.retain(|rref| !known.contains(rref));
    rrefs.extend(open);
    rrefs.into_iter().collect()
}

/// Notes what is broken, and removes notes on what is whole again.
fn note(
    remote: &Remote,
    index: &mut RemoteIndex,
    holes: &[Hole],
    whole: &BTreeSet<String>,
) -> Result<()> {
    let mut changed = false;
    for Hole { object, .. } in holes {
        if index.holes.insert(object.clone()) {
            remote.put(&hole_name(object), b"")?;
            changed = true;
        }
    }
    for object in whole {
        remote.delete(&hole_name(object))?;
        index.holes.remove(object);
        changed = true;
    }
    match changed {
        true => index.put_list(remote, &[]),
        false => Ok(()),
    }
}

impl Walk<'_> {
    /// Returns the packs and blobs that notes call broken, and that are whole again.
    fn noted(&mut self, index: &RemoteIndex) -> Result<BTreeSet<String>> {
        let mut whole = BTreeSet::new();
        for object in &index.holes {
            let name = object.rsplit('/').next().unwrap_or_default();
            let digest: Option<Digest> = name.trim_end_matches(".gz").parse().ok();
            // A segment is never put again: what it named is in another one then.
            if let Some(digest) = digest
                && let Some((found, size)) = self.blob(object).unwrap_or_default()
                && found == digest
            {
                self.count(size);
                whole.insert(object.clone());
            }
        }
        Ok(whole)
    }

    /// Reads all segments anew, and returns their lines with the name of the segment.
    fn segments(&mut self, index: &RemoteIndex) -> Result<Vec<(String, Line)>> {
        let mut lines = Vec::new();
        for name in &index.segments {
            let object = name.object();
            if index.holes.contains(&object) {
                continue;
            }
            let Some(bytes) = self.whole(&object, &name.digest, MOST_PACKED)? else {
                continue;
            };
            match segment::parse(&bytes) {
                Ok(found) => lines.extend(found.into_iter().map(|line| (object.clone(), line))),
                Err(why) => self.hole(object, &why),
            }
        }
        Ok(lines)
    }

    /// Reads an object of at most `most` bytes. If it does not have this digest, notes why, and returns `None`.
    fn whole(&mut self, object: &str, digest: &Digest, most: u64) -> Result<Option<Vec<u8>>> {
        match self.remote.read(object, most) {
            Ok(Some(bytes)) => {
                self.count(bytes.len() as u64);
                if Digest::of(&bytes) == *digest {
                    return Ok(Some(bytes));
                }
                self.hole(object.to_owned(), "does not match the hash in its name");
            }
            Ok(None) => self.hole(object.to_owned(), "is not there"),
            Err(error) => self.unread(object, error)?,
        }
        Ok(None)
    }

    /// Counts an object as broken that cannot be read, though the remote can. Fails if the remote cannot, which says nothing of the object.
    fn unread(&mut self, object: &str, error: Error) -> Result<()> {
        match self.remote.is_made() {
            Ok(true) => {
                self.hole(object.to_owned(), &error.to_string());
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn count(&mut self, bytes: u64) {
        self.found.objects += 1;
        self.found.bytes += bytes;
    }

    fn hole(&mut self, object: String, why: &str) {
        self.holes.entry(object).or_insert_with(|| why.to_owned());
    }

    fn is_sampled(&mut self, digest: &Digest) -> bool {
        let is_sampled = u32::from(digest.0[0]) < self.sample;
        self.found.passed_over += u64::from(!is_sampled);
        is_sampled
    }

    /// Reads all packs and blobs that lines name, and compares the bundles in them with the lines.
    fn objects(&mut self, lines: &[(String, Line)]) -> Result<()> {
        // The lines with bundles in each pack, so that no pack is read twice.
        let mut packs: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
        for (at, (_, line)) in lines.iter().enumerate() {
            let bundle = bundle_of(line);
            for extent in &bundle.at {
                packs.entry(extent.pack).or_default().push(at);
            }
            let beside = bundle
                .parts
                .iter()
                .filter_map(|part| Some((part.blob?, part.size)));
            blobs.extend(beside);
            if let Line::Realization(line) = line {
                blobs.extend(line.blobs.iter().copied());
            }
        }
        // The bytes of bundles that lie in several packs.
        let mut partial: BTreeMap<usize, Vec<Option<Vec<u8>>>> = BTreeMap::new();
        for (pack, users) in packs {
            let object = pack_name(&pack);
            if !self.is_sampled(&pack) {
                continue;
            }
            let Some(bytes) = self.whole(&object, &pack, MOST_IN_PACK)? else {
                continue;
            };
            for at in users {
                let (segment, line) = &lines[at];
                let extents = &bundle_of(line).at;
                let parts = partial
                    .entry(at)
                    .or_insert_with(|| vec![None; extents.len()]);
                for (extent, part) in extents.iter().zip(parts.iter_mut()) {
                    if extent.pack != pack || part.is_some() {
                        continue;
                    }
                    let range = extent.from as usize..(extent.from + extent.packed) as usize;
                    let members = bytes.get(range).ok_or_else(|| "is too short".to_owned());
                    match members.and_then(|members| unpack(extent, members)) {
                        Ok(bytes) => *part = Some(bytes),
                        Err(why) => self.hole(
                            segment.clone(),
                            &format!("is wrong about {object}, which {why}"),
                        ),
                    }
                }
                if parts.iter().all(Option::is_some) {
                    let parts = partial.remove(&at).unwrap_or_default();
                    let bytes: Vec<u8> = parts.into_iter().flatten().flatten().collect();
                    if let Line::Realization(line) = line
                        && let Err(why) = examine(line, &bytes)
                    {
                        self.hole(
                            segment.clone(),
                            &format!("is wrong about {}: {why}", line.rref),
                        );
                    }
                }
            }
        }
        for (blob, size) in blobs {
            let object = blob_name(&blob);
            if !self.is_sampled(&blob) {
                continue;
            }
            match self.blob(&object) {
                Ok(Some(found)) if found == (blob, size) => {
                    self.count(size);
                }
                Ok(Some(_)) => self.hole(object, "does not match the hash in its name"),
                Ok(None) => self.hole(object, "is not there"),
                Err(error) => self.unread(&object, error)?,
            }
        }
        Ok(())
    }

    /// Returns the digest and the size of an object; `None` if there is no such object.
    fn blob(&self, object: &str) -> Result<Option<(Digest, u64)>> {
        let Some(mut reader) = self.remote.open_object(object, None)? else {
            return Ok(None);
        };
        let mut hasher = Hasher(Sha256::new(), 0);
        io::copy(&mut reader, &mut hasher).map_err(|error| self.remote.unread(object, error))?;
        Ok(Some((Digest(hasher.0.finalize().into()), hasher.1)))
    }
}

fn bundle_of(line: &Line) -> &Bundle {
    match line {
        Line::Code(line) => &line.bundle,
        Line::Realization(line) => &line.bundle,
    }
}

/// Hashes and counts what is written to it.
struct Hasher(Sha256, u64);

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        self.1 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
