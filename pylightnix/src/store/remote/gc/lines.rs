//! Which lines of an index are needed, told by the lines alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::index::{self, hole_of};
use super::super::line::{CodeLine, Line, RealizationLine};
use super::super::segment::SegmentName;
use super::{Names, RemoteGc};
use crate::Result;
use crate::config::RRefId;
use crate::store::object::build_record::BuildKind;

/// The number of times that segments are listed if one of them is not there.
const LOOKS: usize = 5;

/// A segment, and what it says.
pub(super) struct Segment {
    pub(super) name: SegmentName,
    pub(super) size: u64,
    pub(super) lines: Vec<Line>,
}

/// All segments that count, the newest first, and the objects with notes that they are broken.
pub(super) struct Segments {
    pub(super) all: Vec<Segment>,
    pub(super) holes: Names,
}

impl RemoteGc<'_> {
    /// Reads all segments. Fails if one cannot be read, as what it needs is not known then.
    pub(super) fn segments(&self) -> Result<Segments> {
        let mut missing = None;
        'look: for _ in 0..LOOKS {
            let names = self.sizes("index")?;
            let holes: Names = names.keys().filter_map(|name| hole_of(name)).collect();
            let mut all = Vec::new();
            for (object, size) in names.iter().rev() {
                let Some(name) = SegmentName::parse(object) else {
                    continue;
                };
                if holes.contains(object) {
                    continue;
                }
                let Some(lines) = index::lines_of(self.remote, &name, self.store)? else {
                    // Another collection deletes it, or the list is not up to date.
                    missing = Some(name.object());
                    continue 'look;
                };
                let size = *size;
                all.push(Segment { name, size, lines });
            }
            return Ok(Segments { all, holes });
        }
        let why = "is listed, and is not there";
        Err((self.remote)
            .refused(&missing.unwrap_or_default(), why)
            .with_help("`remote verify` notes what is broken; collect garbage then"))
    }
}

impl Segments {
    /// Returns these realizations with all that they were made from.
    pub(super) fn closure(&self, seeds: impl IntoIterator<Item = RRefId>) -> HashSet<RRefId> {
        let mut deps: HashMap<&RRefId, &[RRefId]> = HashMap::new();
        for line in self.realizations() {
            deps.insert(&line.rref, &line.deps);
        }
        let mut live = HashSet::new();
        let mut left: Vec<RRefId> = seeds.into_iter().collect();
        while let Some(rref) = left.pop() {
            if !live.contains(&rref) {
                let more = deps.get(&rref).copied().unwrap_or_default();
                left.extend(more.iter().filter(|dep| !live.contains(*dep)).cloned());
                live.insert(rref);
            }
        }
        live
    }

    fn realizations(&self) -> impl Iterator<Item = &RealizationLine> {
        let lines = self.all.iter().flat_map(|segment| &segment.lines);
        lines.filter_map(|line| match line {
            Line::Realization(line) => Some(line),
            Line::Code(_) => None,
        })
    }

    /// Returns the fingerprints whose texts are needed for these realizations.
    pub(super) fn codes(&self, live: &HashSet<RRefId>) -> HashSet<&str> {
        let mut codes: HashMap<&str, &CodeLine> = HashMap::new();
        let mut makers: HashMap<&str, &str> = HashMap::new();
        for line in self.all.iter().flat_map(|segment| &segment.lines) {
            if let Line::Code(line) = line {
                codes.entry(&line.fingerprint).or_insert(line);
                for part in line.bundle.parts.iter().skip(1) {
                    makers.entry(&part.name).or_insert(&line.fingerprint);
                }
            }
        }
        let builds = self.realizations().filter(|line| live.contains(&line.rref));
        let builds: Vec<_> = builds.flat_map(|line| &line.builds).collect();
        let mut left: Vec<&str> = match builds.iter().any(|build| build.kind == BuildKind::Accept) {
            // The code that an acceptance accepted is named in its record alone.
            true => codes.keys().copied().collect(),
            false => (builds.iter())
                .filter_map(|build| build.fingerprint.as_deref())
                .collect(),
        };
        let mut needed = HashSet::new();
        while let Some(code) = left.pop() {
            if needed.insert(code)
                && let Some(line) = codes.get(code)
            {
                let others = line
                    .items
                    .iter()
                    .filter_map(|item| makers.get(item.as_str()));
                left.extend(others);
            }
        }
        needed
    }
}

/// Lines that stay, to find out whether another one says nothing more.
#[derive(Default)]
pub(super) struct Kept<'l> {
    realizations: HashMap<&'l RRefId, Vec<&'l RealizationLine>>,
    codes: HashSet<&'l str>,
    items: HashSet<&'l str>,
}

impl<'l> Kept<'l> {
    /// Adds a line, unless it points to something broken.
    pub(super) fn add(&mut self, line: &'l Line, holes: &Names) {
        if !holes.is_empty() && !line.objects().is_disjoint(holes) {
            return;
        }
        match line {
            Line::Realization(line) => {
                self.realizations.entry(&line.rref).or_default().push(line);
            }
            Line::Code(line) => {
                self.codes.insert(&line.fingerprint);
                let items = line.bundle.parts.iter().skip(1);
                self.items.extend(items.map(|part| part.name.as_str()));
            }
        }
    }

    /// Whether what a line says is said by others, too.
    pub(super) fn covers(&self, line: &Line) -> bool {
        match line {
            Line::Realization(line) => {
                let known = self.realizations.get(&line.rref);
                known.is_some_and(|known| known.iter().any(|other| says(other, line)))
            }
            Line::Code(line) => {
                let mut items = line.bundle.parts.iter().skip(1);
                self.codes.contains(line.fingerprint.as_str())
                    && items.all(|part| self.items.contains(part.name.as_str()))
            }
        }
    }
}

/// Whether a line of a realization says all that another one says.
fn says(one: &RealizationLine, other: &RealizationLine) -> bool {
    let parts: BTreeSet<(&str, u64)> = (one.bundle.parts.iter())
        .map(|part| (part.name.as_str(), part.size))
        .collect();
    let mut wanted = other.bundle.parts.iter();
    wanted.all(|part| parts.contains(&(part.name.as_str(), part.size)))
        && other.builds.iter().all(|build| one.builds.contains(build))
}
