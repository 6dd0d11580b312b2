//! Fetching bundles: ranges of packs that lie near each other are one request.

use std::collections::HashMap;
use std::io::Read as _;

use flate2::bufread::MultiGzDecoder;

use super::ahead::PackBytes;
use super::line::{Bundle, Extent, MOST_IN_EXTENT, pack_name};
use super::objects::Remote;
use crate::config::Digest;
use crate::{Error, Result};

/// The most bytes between two ranges that are fetched in one request.
const GAP: u64 = 256 << 10;

/// Some consecutive bytes of a pack, with the extents in them.
struct Range {
    pack: Digest,
    from: u64,
    end: u64,
    /// The number of the bundle, and of its extent.
    extents: Vec<(usize, usize)>,
}

/// Members, by their place and length in a pack, and what they inflate to, or why they do not.
type Inflated = ((u64, u64), Result<Vec<u8>, String>);

/// Returns the ranges that hold these bundles.
fn ranges(bundles: &[&Bundle]) -> Vec<Range> {
    let mut all = Vec::new();
    for (at, bundle) in bundles.iter().enumerate() {
        let extents = bundle.at.iter().enumerate();
        all.extend(extents.map(|(number, extent)| (*extent, at, number)));
    }
    // Extents in the same members come after each other, so that these are inflated once.
    all.sort_unstable_by_key(|(extent, at, number)| {
        (extent.pack, extent.from, extent.packed, *at, *number)
    });
    let mut ranges: Vec<Range> = Vec::new();
    for (extent, at, number) in all {
        let end = extent.from + extent.packed;
        match ranges.last_mut() {
            Some(last)
                if last.pack == extent.pack && extent.from <= last.end.saturating_add(GAP) =>
            {
                last.end = last.end.max(end);
                last.extents.push((at, number));
            }
            _ => ranges.push(Range {
                pack: extent.pack,
                from: extent.from,
                end,
                extents: vec![(at, number)],
            }),
        }
    }
    ranges
}

/// Fetches bundles, as [`fetch_with`] does, and reads nothing else.
pub(super) fn fetch(
    remote: &Remote,
    bundles: &[&Bundle],
    told: &mut dyn FnMut(u64),
    take: &mut dyn FnMut(usize, Result<Vec<u8>>) -> Result<()>,
) -> Result<()> {
    let read = |pack: &Digest, range: std::ops::Range<u64>| {
        let bytes = remote.read_range(&pack_name(pack), range)?;
        Ok(bytes.map(|bytes| PackBytes {
            came: bytes.len() as u64,
            bytes,
        }))
    };
    fetch_with(remote, &read, bundles, told, take)
}

/// Reads a range of a pack; `None` if there is no such pack.
pub(super) type ReadPack<'a> =
    dyn Fn(&Digest, std::ops::Range<u64>) -> Result<Option<PackBytes>> + 'a;

/// Fetches bundles by `read`, and hands each to `take` once all of it is there, with its number. What the remote lacks, or what is damaged
/// there, is an error in the place of the bytes. `told` is called with the bytes of each request.
pub(super) fn fetch_with(
    remote: &Remote,
    read: &ReadPack<'_>,
    bundles: &[&Bundle],
    told: &mut dyn FnMut(u64),
    take: &mut dyn FnMut(usize, Result<Vec<u8>>) -> Result<()>,
) -> Result<()> {
    for (at, bundle) in bundles.iter().enumerate() {
        if bundle.at.is_empty() {
            take(at, Ok(Vec::new()))?;
        }
    }
    // The extents of bundles that are in several ranges, until all are there.
    let mut partial: HashMap<usize, Vec<Option<Vec<u8>>>> = HashMap::new();
    let mut failed = vec![false; bundles.len()];
    for range in ranges(bundles) {
        let object = pack_name(&range.pack);
        let read = match read(&range.pack, range.from..range.end)? {
            Some(PackBytes { bytes, came }) => {
                told(came);
                Ok(bytes)
            }
            None => Err("is not there, though the index names it".to_owned()),
        };
        let mut inflated: Option<Inflated> = None;
        for (at, number) in range.extents {
            if failed[at] {
                continue;
            }
            let extent = &bundles[at].at[number];
            let key = (extent.from, extent.packed);
            if inflated.as_ref().is_none_or(|(known, _)| *known != key) {
                let members = read.as_ref().map_err(String::clone);
                let members = members.and_then(|bytes| members_of(bytes, range.from, extent));
                inflated = Some((key, members.and_then(inflate)));
            }
            let found = match &inflated {
                Some((_, Ok(bytes))) => part(bytes, extent),
                Some((_, Err(why))) => Err(why.clone()),
                None => continue,
            };
            let bytes = match found {
                Ok(bytes) => bytes,
                Err(why) => {
                    failed[at] = true;
                    partial.remove(&at);
                    take(at, Err(hole(remote, &object, &why)))?;
                    continue;
                }
            };
            let count = bundles[at].at.len();
            if count == 1 {
                take(at, Ok(bytes.to_vec()))?;
                continue;
            }
            let parts = partial.entry(at).or_insert_with(|| vec![None; count]);
            parts[number] = Some(bytes.to_vec());
            if parts.iter().all(Option::is_some) {
                let parts = partial.remove(&at).unwrap_or_default();
                take(at, Ok(parts.into_iter().flatten().flatten().collect()))?;
            }
        }
    }
    Ok(())
}

/// Returns the error for something that the remote should have, and has not.
pub(super) fn hole(remote: &Remote, object: &str, why: &str) -> Error {
    remote.refused(object, why).with_help(
        "`remote verify` finds all that is broken there; then whoever has the results pushes them again",
    )
}

/// Cuts the members of an extent out of a range that begins at `from`.
fn members_of<'b>(bytes: &'b [u8], from: u64, extent: &Extent) -> Result<&'b [u8], String> {
    let begin = usize::try_from(extent.from - from).ok();
    let length = usize::try_from(extent.packed).ok();
    begin
        .zip(length)
        .and_then(|(begin, length)| bytes.get(begin..begin.checked_add(length)?))
        .ok_or_else(|| "is shorter than the index says".to_owned())
}

/// Inflates members. The error is a predicate that follows the name of the pack.
fn inflate(members: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(members)
        .take(MOST_IN_EXTENT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be inflated: {error}"))?;
    match bytes.len() as u64 <= MOST_IN_EXTENT {
        true => Ok(bytes),
        false => Err("holds more than a pack may".to_owned()),
    }
}

/// Cuts the bytes of an extent out of its inflated members.
fn part<'b>(inflated: &'b [u8], extent: &Extent) -> Result<&'b [u8], String> {
    let begin = usize::try_from(extent.offset).ok();
    let length = usize::try_from(extent.length).ok();
    begin
        .zip(length)
        .and_then(|(begin, length)| inflated.get(begin..begin.checked_add(length)?))
        .ok_or_else(|| "holds less than the index says".to_owned())
}
