//! The second phase: what was named is deleted, unless it is needed again.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::super::content::root_name;
use super::super::gone::{GoneNote, done_name, note_word, read, read_spares};
use super::super::index::{hole_name, put_list_anew};
use super::super::line::Line;
use super::lines::{Kept, Segment};
use super::{Names, RemoteCollected, RemoteGc};
use crate::Result;
use crate::config::RRefId;

/// The most time that lists may lag behind.
const LAG: Duration = Duration::from_secs(2);

/// What is to be deleted after one look.
struct Doomed {
    roots: Vec<String>,
    segments: Vec<String>,
    /// Packs and blobs.
    objects: Vec<String>,
    holes: Names,
}

impl RemoteGc<'_> {
    /// Deletes what a note names, but what is needed.
    pub(super) fn finish(
        &self,
        id: &Uuid,
        note: &GoneNote,
        collected: &mut RemoteCollected,
    ) -> Result<()> {
        let mut sizes = self.sizes("index")?;
        for folder in ["pack", "blob", "root"] {
            sizes.extend(self.sizes(folder)?);
        }
        let there: Names = (note.objects.keys())
            .filter(|object| sizes.contains_key(*object))
            .cloned()
            .collect();
        if !self.dry {
            // From here on, a push that asks to spare something waits until this is through.
            self.remote.put(&note_word(id, "armed"), b"")?;
            thread::sleep(LAG.min(note.patience() / 4));
        }
        let mut deleted = Names::new();
        loop {
            let since = Instant::now();
            let Some(doomed) = self.look(id, note)? else {
                return Ok(());
            };
            let is_fresh = || since.elapsed() < note.patience() / 2;
            if self.delete(doomed, &is_fresh, &mut deleted)? {
                break;
            }
            // Too much time has passed since the look.
        }
        for object in there {
            let bytes = sizes.get(&object).copied().unwrap_or_default();
            match deleted.contains(&object) {
                true => collected.deleted.add(bytes),
                false => collected.spared.add(bytes),
            }
        }
        if self.dry {
            return Ok(());
        }
        let time = self.remote.time()?;
        self.remote
            .put(&done_name(id), format!("{time}\n").as_bytes())
    }

    /// Deletes as long as the look is fresh. Returns whether it is through.
    fn delete(
        &self,
        doomed: Doomed,
        is_fresh: &dyn Fn() -> bool,
        deleted: &mut Names,
    ) -> Result<bool> {
        let are_segments = !doomed.segments.is_empty();
        let first = doomed.roots.into_iter().chain(doomed.segments);
        for (is_second, objects) in [(false, first.collect::<Vec<_>>()), (true, doomed.objects)] {
            if is_second && are_segments && !self.dry {
                // Who cannot list must not look for what goes now.
                put_list_anew(self.remote, &[])?;
            }
            for object in objects {
                if !self.dry {
                    if !is_fresh() {
                        return Ok(false);
                    }
                    self.remote.delete(&object)?;
                    if doomed.holes.contains(&object) {
                        self.remote.delete(&hole_name(&object))?;
                    }
                }
                deleted.insert(object);
            }
        }
        Ok(true)
    }

    /// Looks what of a note is still not needed; `None` if another collection is through with it.
    fn look(&self, id: &Uuid, note: &GoneNote) -> Result<Option<Doomed>> {
        let notes = self.notes()?;
        let Some(state) = notes.get(id).filter(|state| !state.is_done) else {
            return Ok(None);
        };
        let spared = read_spares(self.remote, state)?;
        // What another note names may go at any time, so that nothing rests on it.
        let mut unsure = Names::new();
        for (other, state) in &notes {
            if other != id
                && state.is_there
                && !state.is_done
                && let Some(other) = read(self.remote, other)?
            {
                unsure.extend(other.objects.into_keys());
            }
        }
        let roots = self.roots()?;
        let segments = self.segments()?;
        let is_named = |segment: &&Segment| note.objects.contains_key(&segment.name.object());
        let (old, others): (Vec<&Segment>, Vec<&Segment>) = segments.all.iter().partition(is_named);
        let mut seeds: Vec<RRefId> = (spared.iter())
            .filter_map(|word| word.parse().ok())
            .collect();
        let mut doomed = Doomed {
            roots: Vec::new(),
            segments: Vec::new(),
            objects: Vec::new(),
            holes: segments.holes.clone(),
        };
        for (root, digest) in roots {
            let object = root_name(&root.name);
            if note.objects.get(&object) == Some(&Some(digest)) && !spared.contains(&object) {
                doomed.roots.push(object);
            } else {
                seeds.extend(root.rrefs);
            }
        }
        let mut needed: BTreeSet<String> = BTreeSet::new();
        for segment in &others {
            seeds.extend(rrefs_of(segment));
            needed.extend(segment.lines.iter().flat_map(Line::objects));
        }
        // What a segment that stays says is seen, so that what it was made from stays as well.
        let staying = loop {
            let live = segments.closure(seeds.iter().cloned());
            let codes = segments.codes(&live);
            let mut kept = Kept::default();
            for segment in &others {
                if !unsure.contains(&segment.name.object()) {
                    let lines = segment.lines.iter();
                    lines.for_each(|line| kept.add(line, &segments.holes));
                }
            }
            let mut staying: Vec<&Segment> = Vec::new();
            for segment in old.iter().copied() {
                let is_needed = |line: &Line| {
                    let is_live = match line {
                        Line::Realization(line) => live.contains(&line.rref),
                        Line::Code(line) => codes.contains(line.fingerprint.as_str()),
                    };
                    (is_live || !line.objects().is_disjoint(&spared)) && !kept.covers(line)
                };
                if segment.lines.iter().any(is_needed) {
                    let lines = segment.lines.iter();
                    lines.for_each(|line| kept.add(line, &segments.holes));
                    staying.push(segment);
                }
            }
            let all = staying.iter().flat_map(|segment| rrefs_of(segment));
            let more: Vec<RRefId> = all.filter(|rref| !live.contains(rref)).collect();
            if more.is_empty() {
                break staying;
            }
            seeds.extend(more);
        };
        for segment in &staying {
            needed.extend(segment.lines.iter().flat_map(Line::objects));
        }
        let staying: BTreeSet<String> = (staying.iter())
            .map(|segment| segment.name.object())
            .collect();
        let names = old.iter().map(|segment| segment.name.object());
        let gone = names.filter(|name| !staying.contains(name));
        doomed.segments.extend(gone);
        let is_data = |object: &&String| object.starts_with("pack/") || object.starts_with("blob/");
        let data = note.objects.keys().filter(is_data);
        let unneeded = data.filter(|object| !needed.contains(*object) && !spared.contains(*object));
        doomed.objects.extend(unneeded.cloned());
        Ok(Some(doomed))
    }
}

/// Returns the realizations that a segment names.
fn rrefs_of(segment: &Segment) -> impl Iterator<Item = RRefId> {
    segment.lines.iter().filter_map(|line| match line {
        Line::Realization(line) => Some(line.rref.clone()),
        Line::Code(_) => None,
    })
}
