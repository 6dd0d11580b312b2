//! The first phase: what is needed of packs and segments that hold little else is put anew, and what will be deleted is named.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::super::content::root_name;
use super::super::gone::note_name;
use super::super::index::put_list_anew;
use super::super::line::{Bundle, Line, pack_name};
use super::super::pack::{Pack, Packer};
use super::super::ranges;
use super::super::segment::{self, SegmentName};
use super::super::stage::{examine, refused};
use super::lines::{Kept, Segment, Segments};
use super::{Names, RemoteCollected, RemoteGc, after, note};
use crate::config::{Digest, RRefId};
use crate::{ErrorKind, Result};

/// The number of segments from which they become one.
const MOST_SEGMENTS: usize = 16;

/// The lines of a segment that stay.
struct Sifted<'s> {
    segment: &'s Segment,
    lines: Vec<&'s Line>,
}

impl Sifted<'_> {
    fn is_whole(&self) -> bool {
        self.lines.len() == self.segment.lines.len()
    }
}

impl RemoteGc<'_> {
    /// Names what the next collection is to delete.
    pub(super) fn plan(&self, now: Timestamp, collected: &mut RemoteCollected) -> Result<()> {
        let packs = self.sizes("pack")?;
        let blobs = self.sizes("blob")?;
        let segments = self.segments()?;
        let mut gone: BTreeMap<String, Option<Digest>> = BTreeMap::new();
        let mut seeds: Vec<RRefId> = Vec::new();
        for (root, digest) in self.roots()? {
            let is_old = match (self.older_than, root.time) {
                (Some(age), Some(time)) => after(time, age) < now,
                _ => false,
            };
            if is_old && !self.keep.contains(&root.name) {
                gone.insert(root_name(&root.name), Some(digest));
                collected.roots.push(root.name);
                collected.named.add(0);
            } else {
                seeds.extend(root.rrefs);
            }
        }
        for segment in &segments.all {
            if self.is_new(&segment.name, now) {
                let lines = segment.lines.iter().filter_map(rref_of);
                seeds.extend(lines.cloned());
            }
        }
        let live = segments.closure(seeds);
        let sifted = sift(&segments, &live);
        let thin = thin(&sifted, &packs);
        let is_thin = |line: &Line| !thin.is_empty() && !line.objects().is_disjoint(&thin);
        let are_many = segments.all.len() > MOST_SEGMENTS;
        let (old, staying): (Vec<&Sifted<'_>>, Vec<&Sifted<'_>>) = sifted.iter().partition(|one| {
            are_many || !one.is_whole() || one.lines.iter().any(|line| is_thin(line))
        });
        let dead = (segments.all.iter())
            .flat_map(|segment| segment.lines.iter().filter_map(rref_of))
            .filter(|rref| !live.contains(*rref));
        let dead: BTreeSet<&RRefId> = dead.collect();
        collected.rrefs = dead.into_iter().cloned().collect();
        // What stays is put before anything is named.
        let lines: Vec<&Line> = old.iter().flat_map(|one| &one.lines).copied().collect();
        let lines = self.move_lines(lines, &is_thin, &segments.holes, collected)?;
        if !lines.is_empty() {
            let bytes = segment::to_bytes(&lines)?;
            let newest = old.iter().map(|one| one.segment.name.id).max();
            let name = SegmentName::after(&bytes, newest.unwrap_or_else(Uuid::now_v7));
            collected.moved.add(bytes.len() as u64);
            if !self.dry {
                self.remote.put(&name.object(), &bytes)?;
                put_list_anew(self.remote, &[name])?;
            }
        }
        for one in &old {
            gone.insert(one.segment.name.object(), None);
            collected.named.add(one.segment.size);
        }
        let stay = staying.iter().flat_map(|one| &one.segment.lines);
        let needed: Names = stay.chain(&lines).flat_map(Line::objects).collect();
        for (object, size) in packs.iter().chain(&blobs) {
            if !needed.contains(object) {
                gone.insert(object.clone(), None);
                collected.named.add(*size);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        let note = note(self.remote.time()?, self.grace, gone);
        collected.due = Some(after(note.at, note.grace));
        match self.dry {
            true => Ok(()),
            false => (self.remote).put(&note_name(&Uuid::now_v7()), note.to_text().as_bytes()),
        }
    }

    /// Whether a segment is so new that all of it is kept. The time is that of who put it.
    fn is_new(&self, name: &SegmentName, now: Timestamp) -> bool {
        let time = name.id.get_timestamp().and_then(|time| {
            let (seconds, nanos) = time.to_unix();
            Timestamp::new(seconds.try_into().ok()?, nanos.cast_signed()).ok()
        });
        time.is_some_and(|time| after(time, self.newer_than) > now)
    }

    /// Puts the bundles of those lines that lie in thin packs into new packs. Returns all lines, with their new places. A bundle that is broken
    /// stays where it is.
    fn move_lines(
        &self,
        lines: Vec<&Line>,
        is_thin: &dyn Fn(&Line) -> bool,
        holes: &Names,
        collected: &mut RemoteCollected,
    ) -> Result<Vec<Line>> {
        let is_moved = |line: &Line| is_thin(line) && line.objects().is_disjoint(holes);
        let (moved, stay): (Vec<&Line>, Vec<&Line>) =
            lines.into_iter().partition(|line| is_moved(line));
        let bundles: Vec<&Bundle> = moved.iter().map(|line| line.bundle()).collect();
        let mut packer = Packer::default();
        let mut numbers: Vec<Option<usize>> = vec![None; moved.len()];
        ranges::fetch(self.remote, &bundles, &mut |_| {}, &mut |at, bytes| {
            let whole = bytes.and_then(|bytes| match moved[at] {
                Line::Realization(line) => match examine(line, &bytes) {
                    Ok(()) => Ok(bytes),
                    Err(why) => Err(refused(self.remote, &line.rref, &why)),
                },
                Line::Code(_) => Ok(bytes),
            });
            match whole {
                Ok(bytes) => {
                    numbers[at] = Some(packer.add(&bytes)?);
                    self.put_packs(packer.take_finished(), collected)
                }
                Err(error) if error.kind() == ErrorKind::Remote => {
                    collected.told.push(error);
                    Ok(())
                }
                Err(error) => Err(error),
            }
        })?;
        let (last, places) = packer.finish()?;
        self.put_packs(last, collected)?;
        let mut all: Vec<Line> = stay.into_iter().cloned().collect();
        for (line, number) in moved.into_iter().zip(numbers) {
            let mut line = line.clone();
            if let Some(places) = number.and_then(|number| places.get(number)) {
                line.bundle_mut().at.clone_from(places);
            }
            all.push(line);
        }
        Ok(all)
    }

    fn put_packs(&self, packs: Vec<Pack>, collected: &mut RemoteCollected) -> Result<()> {
        for pack in packs {
            collected.moved.add(pack.bytes.len() as u64);
            if !self.dry {
                self.remote.put(&pack_name(&pack.digest), &pack.bytes)?;
            }
        }
        Ok(())
    }
}

fn rref_of(line: &Line) -> Option<&RRefId> {
    match line {
        Line::Realization(line) => Some(&line.rref),
        Line::Code(_) => None,
    }
}

/// Returns the lines of each segment that are needed, and that no newer line makes superfluous.
fn sift<'s>(segments: &'s Segments, live: &HashSet<RRefId>) -> Vec<Sifted<'s>> {
    let codes = segments.codes(live);
    let mut kept = Kept::default();
    let mut sifted = Vec::new();
    for segment in &segments.all {
        let mut lines = Vec::new();
        for line in &segment.lines {
            let is_needed = match line {
                Line::Realization(line) => live.contains(&line.rref),
                Line::Code(line) => codes.contains(line.fingerprint.as_str()),
            };
            if is_needed && !kept.covers(line) {
                lines.push(line);
                kept.add(line, &segments.holes);
            }
        }
        sifted.push(Sifted { segment, lines });
    }
    sifted
}

/// Returns the packs of which less than half is needed, by the bytes of the members.
fn thin(sifted: &[Sifted<'_>], packs: &BTreeMap<String, u64>) -> Names {
    let mut members: BTreeMap<Digest, BTreeMap<u64, u64>> = BTreeMap::new();
    for line in sifted.iter().flat_map(|one| &one.lines) {
        for extent in &line.bundle().at {
            let of_pack = members.entry(extent.pack).or_default();
            let longest = of_pack.entry(extent.from).or_default();
            *longest = extent.packed.max(*longest);
        }
    }
    let is_thin = |(pack, of_pack): (Digest, BTreeMap<u64, u64>)| {
        let (mut needed, mut end) = (0_u64, 0_u64);
        for (from, packed) in of_pack {
            let to = from + packed;
            needed += to.saturating_sub(end.max(from));
            end = end.max(to);
        }
        let object = pack_name(&pack);
        let size = packs.get(&object)?;
        (needed.saturating_mul(2) < *size).then_some(object)
    };
    members.into_iter().filter_map(is_thin).collect()
}
