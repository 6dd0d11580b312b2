//! What a remote has: the lines of all its segments.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

use super::line::{CodeLine, Line, RealizationLine};
use super::objects::Remote;
use super::segment::{self, MOST_PACKED, SegmentName};
use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::disk::regular;
use crate::{Error, ErrorKind, Result};

/// The folder of segments in the cache of a store.
pub(super) const CACHE: &str = "remote";
/// The folder of segments.
const INDEX: &str = "index";
/// The object with the names of all segments, for servers that cannot list.
const LIST: &str = "index/list";
/// What the names of the notes on broken objects begin with.
const HOLE: &str = "index/hole-";
/// The number of times that the list is written for one push.
const AGAIN: usize = 5;
/// The most bytes of the list.
const MOST_LISTED: u64 = 256 << 20;

/// The content of a remote.
#[derive(Debug, Default)]
pub(super) struct RemoteIndex {
    /// Whether the remote was made. If not, it is empty.
    pub(super) is_made: bool,
    pub(super) segments: BTreeSet<SegmentName>,
    /// The objects that were found broken or missing. Lines that point to them do not count.
    pub(super) holes: BTreeSet<String>,
    pub(super) realizations: HashMap<RRefId, Vec<RealizationLine>>,
    /// The lines of code, by fingerprint.
    pub(super) code: BTreeMap<String, CodeLine>,
    /// The line of code and the part that has the text of an item, by the hash of the item.
    pub(super) items: HashMap<String, (String, usize)>,
    /// Why segments were passed over.
    pub(super) told: Vec<Error>,
}

impl RemoteIndex {
    /// Reads the index of a remote. Segments that were read before are taken from the cache of `store`.
    pub(super) fn read(remote: &Remote, store: Option<&Store>) -> Result<Self> {
        let mut index = RemoteIndex::default();
        let mut names: Vec<String> = match remote.list(INDEX)? {
            Some(objects) => objects.into_iter().map(|object| object.name).collect(),
            None => listed(remote)?,
        };
        names.retain(|name| name != LIST);
        index.is_made = !names.is_empty() || remote.is_made()?;
        index.segments = names
            .iter()
            .filter_map(|name| SegmentName::parse(name))
            .collect();
        index.holes = names.iter().filter_map(|name| hole_of(name)).collect();
        let cache = store.map(|store| store.cache_dir().join(CACHE));
        for name in index.segments.clone() {
            if index.holes.contains(&name.object()) {
                continue;
            }
            match lines(remote, &name, cache.as_ref()) {
                Ok(lines) => lines.into_iter().for_each(|line| index.add(line)),
                Err(error) if error.kind() == ErrorKind::Remote => index.told.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(index)
    }

    /// Reads the index of a remote that has to be there.
    pub(super) fn read_made(remote: &Remote, store: Option<&Store>) -> Result<Self> {
        let index = RemoteIndex::read(remote, store)?;
        match index.is_made {
            true => Ok(index),
            false => Err(Error::new(
                ErrorKind::Missing,
                format!("there is no remote at {}", remote.url()),
            )
            .with_help("check the address; the first push makes a remote")),
        }
    }

    fn add(&mut self, line: Line) {
        if !self.holes.is_empty() && !line.objects().is_disjoint(&self.holes) {
            return;
        }
        match line {
            Line::Realization(line) => {
                let lines = self.realizations.entry(line.rref.clone()).or_default();
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
            Line::Code(line) => {
                for (at, part) in line.bundle.parts.iter().enumerate().skip(1) {
                    let place = (line.fingerprint.clone(), at);
                    self.items.entry(part.name.clone()).or_insert(place);
                }
                self.code.entry(line.fingerprint.clone()).or_insert(line);
            }
        }
    }

    /// Writes the list of segments for servers that cannot list, again if another push put a segment meanwhile: of two lists that are
    /// written at once, one may lack what the other has.
    pub(super) fn put_list(&mut self, remote: &Remote) -> Result<()> {
        for _ in 0..AGAIN {
            self.put_listed(remote)?;
            let Some(objects) = remote.list(INDEX)? else {
                break;
            };
            let names = objects.iter().map(|object| object.name.as_str());
            let before = (self.segments.len(), self.holes.len());
            self.segments
                .extend(names.clone().filter_map(SegmentName::parse));
            self.holes.extend(names.filter_map(hole_of));
            if before == (self.segments.len(), self.holes.len()) {
                break;
            }
        }
        Ok(())
    }

    fn put_listed(&self, remote: &Remote) -> Result<()> {
        let mut text = String::new();
        let segments = self.segments.iter().map(SegmentName::object);
        let holes = self.holes.iter().map(|object| hole_name(object));
        for name in segments.chain(holes) {
            text.push_str(name.strip_prefix("index/").unwrap_or(&name));
            text.push('\n');
        }
        remote.put(LIST, text.as_bytes())
    }
}

/// Returns the name of the note that an object is broken or missing.
pub(super) fn hole_name(object: &str) -> String {
    format!("{HOLE}{}", object.replacen('/', "-", 1))
}

/// Returns the object that a note is about; `None` if it is no note.
fn hole_of(name: &str) -> Option<String> {
    let object = name.strip_prefix(HOLE)?;
    object.contains('-').then(|| object.replacen('-', "/", 1))
}

/// Returns the names in the list of segments.
fn listed(remote: &Remote) -> Result<Vec<String>> {
    let text = remote.read(LIST, MOST_LISTED)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().map(|name| format!("{INDEX}/{name}")).collect())
}

/// Returns the lines of a segment. An error of the kind `Remote` means that the segment is not usable.
fn lines(remote: &Remote, name: &SegmentName, cache: Option<&PathBuf>) -> Result<Vec<Line>> {
    let object = name.object();
    let place = cache.map(|cache| cache.join(format!("{}.gz", name.digest)));
    let kept = place.as_ref().and_then(|place| regular::read(place).ok());
    let kept = kept.filter(|bytes| Digest::of(bytes) == name.digest);
    let is_kept = kept.is_some();
    let bytes = match kept {
        Some(bytes) => bytes,
        None => {
            let read = remote.read(&object, MOST_PACKED)?;
            let bytes =
                read.ok_or_else(|| remote.refused(&object, "is listed, and is not there"))?;
            if Digest::of(&bytes) != name.digest {
                return Err(remote.refused(&object, "does not match the digest in its name"));
            }
            bytes
        }
    };
    let lines = segment::parse(&bytes).map_err(|why| remote.refused(&object, &why))?;
    if let (Some(place), false) = (place, is_kept) {
        // The cache is for speed alone, so that a failure is none of the caller's.
        let _ = keep(&place, &bytes);
    }
    Ok(lines)
}

/// Keeps a segment that was just put in the cache of a store.
pub(super) fn keep_own(store: &Store, name: &SegmentName, bytes: &[u8]) {
    let place = store.cache_dir().join(CACHE);
    // The cache is for speed alone, so that a failure is none of the caller's.
    let _ = keep(&place.join(format!("{}.gz", name.digest)), bytes);
}

/// Keeps a segment in the cache. What is kept is checked by its digest when it is read.
fn keep(place: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = place.with_extension(format!("{}", uuid::Uuid::now_v7()));
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, place))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
}
