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
/// The number of times that the segments are listed if one is not there.
const LOOKS: usize = 4;
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
    /// The bytes of the list of segments; `None` if the remote cannot be listed.
    listed: Option<u64>,
}

impl RemoteIndex {
    /// Reads the index of a remote. Segments that were read before are taken from the cache of `store`.
    pub(super) fn read(remote: &Remote, store: Option<&Store>) -> Result<Self> {
        let cache = store.map(|store| store.cache_dir().join(CACHE));
        for _ in 1..LOOKS {
            let (index, is_whole) = RemoteIndex::look(remote, cache.as_ref())?;
            if is_whole {
                return Ok(index);
            }
            // A collection replaced a segment between the list and the look at it.
        }
        Ok(RemoteIndex::look(remote, cache.as_ref())?.0)
    }

    /// Reads the index once. Returns it, and whether all segments that were listed are there.
    fn look(remote: &Remote, cache: Option<&PathBuf>) -> Result<(Self, bool)> {
        let mut index = RemoteIndex::default();
        let mut names: Vec<String> = match remote.list(INDEX)? {
            Some(objects) => {
                let list = objects.iter().find(|object| object.name == LIST);
                index.listed = Some(list.map_or(0, |list| list.size));
                objects.into_iter().map(|object| object.name).collect()
            }
            None => listed(remote)?,
        };
        names.retain(|name| name != LIST);
        index.is_made = !names.is_empty() || remote.is_made()?;
        index.segments = names
            .iter()
            .filter_map(|name| SegmentName::parse(name))
            .collect();
        index.holes = names.iter().filter_map(|name| hole_of(name)).collect();
        let mut is_whole = true;
        // The newest come first: what they say is in packs that a collection does not replace soon.
        for name in index.segments.clone().iter().rev() {
            if index.holes.contains(&name.object()) {
                continue;
            }
            match lines(remote, name, cache) {
                Ok(Some(lines)) => lines.into_iter().for_each(|line| index.add(line)),
                Ok(None) => {
                    let object = name.object();
                    index
                        .told
                        .push(remote.refused(&object, "is listed, and is not there"));
                    is_whole = false;
                }
                Err(error) if error.kind() == ErrorKind::Remote => index.told.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok((index, is_whole))
    }

    /// Whether the list for servers that cannot list is as long as it should be. It is not if a push died before it wrote it.
    pub(super) fn is_listed(&self) -> bool {
        let length = self.list_text().len() as u64;
        self.listed
            .is_none_or(|listed| listed == length || !self.is_made)
    }

    /// Returns the line with most parts, of those the newest.
    pub(super) fn fullest(&self, rref: &RRefId) -> Option<&RealizationLine> {
        let lines = self.realizations.get(rref)?.iter().rev();
        lines.max_by_key(|line| line.bundle.parts.len())
    }

    /// Leaves out the lines that point to these objects.
    pub(super) fn leave_out(&mut self, missing: &BTreeSet<String>) {
        if missing.is_empty() {
            return;
        }
        for lines in self.realizations.values_mut() {
            lines.retain(|line| line.objects().is_disjoint(missing));
        }
        self.realizations.retain(|_, lines| !lines.is_empty());
        self.code.retain(|_, line| {
            let mut objects = line.bundle.objects();
            !objects.any(|object| missing.contains(&object))
        });
        let code = &self.code;
        self.items
            .retain(|_, (fingerprint, _)| code.contains_key(fingerprint));
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

    /// Writes the list of segments for servers that cannot list, again if it lacks what another push put meanwhile, or has what a collection
    /// removed. `own` are the segments that were just put, which a list of objects may lack.
    pub(super) fn put_list(&mut self, remote: &Remote, own: &[SegmentName]) -> Result<()> {
        for _ in 0..AGAIN {
            let text = self.list_text();
            remote.put(LIST, text.as_bytes())?;
            self.listed = Some(text.len() as u64);
            let Some(objects) = remote.list(INDEX)? else {
                break;
            };
            let names = objects.iter().map(|object| object.name.as_str());
            self.segments = names.clone().filter_map(SegmentName::parse).collect();
            self.segments.extend(own.iter().cloned());
            self.holes = names.filter_map(hole_of).collect();
            if self.list_text() == text {
                break;
            }
        }
        Ok(())
    }

    fn list_text(&self) -> String {
        let mut text = String::new();
        let segments = self.segments.iter().map(SegmentName::object);
        let holes = self.holes.iter().map(|object| hole_name(object));
        for name in segments.chain(holes) {
            text.push_str(name.strip_prefix("index/").unwrap_or(&name));
            text.push('\n');
        }
        text
    }
}

/// Writes the list of segments from what is there. `own` are the segments that were just put, which a list of objects may lack.
pub(super) fn put_list_anew(remote: &Remote, own: &[SegmentName]) -> Result<()> {
    let mut index = RemoteIndex::default();
    let objects = remote.list(INDEX)?.unwrap_or_default();
    let names = objects.iter().map(|object| object.name.as_str());
    index.segments = names.clone().filter_map(SegmentName::parse).collect();
    index.segments.extend(own.iter().cloned());
    index.holes = names.filter_map(hole_of).collect();
    index.put_list(remote, own)
}

/// Returns the name of the note that an object is broken or missing.
pub(super) fn hole_name(object: &str) -> String {
    format!("{HOLE}{}", object.replacen('/', "-", 1))
}

/// Returns the object that a note is about; `None` if it is no note.
pub(super) fn hole_of(name: &str) -> Option<String> {
    let object = name.strip_prefix(HOLE)?;
    object.contains('-').then(|| object.replacen('-', "/", 1))
}

/// Returns the names in the list of segments.
fn listed(remote: &Remote) -> Result<Vec<String>> {
    let text = remote.read(LIST, MOST_LISTED)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().map(|name| format!("{INDEX}/{name}")).collect())
}

/// Returns the lines of a segment; `None` if it is not there. An error of the kind `Remote` means that the segment is not usable.
fn lines(
    remote: &Remote,
    name: &SegmentName,
    cache: Option<&PathBuf>,
) -> Result<Option<Vec<Line>>> {
    let object = name.object();
    let place = cache.map(|cache| cache.join(format!("{}.gz", name.digest)));
    let kept = place.as_ref().and_then(|place| regular::read(place).ok());
    let kept = kept.filter(|bytes| Digest::of(bytes) == name.digest);
    let is_kept = kept.is_some();
    let bytes = match kept {
        Some(bytes) => bytes,
        None => {
            let Some(bytes) = remote.read(&object, MOST_PACKED)? else {
                return Ok(None);
            };
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
    Ok(Some(lines))
}

/// Returns the lines of a segment; `None` if it is not there. Those that were read before are taken from the cache of `store`.
pub(super) fn lines_of(
    remote: &Remote,
    name: &SegmentName,
    store: Option<&Store>,
) -> Result<Option<Vec<Line>>> {
    let cache = store.map(|store| store.cache_dir().join(CACHE));
    lines(remote, name, cache.as_ref())
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
