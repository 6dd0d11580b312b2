//! The lines of a segment: what one push added, a line for each realization and for each text of code.
//!
//! A line is canonical: equal content has equal bytes, and any other spelling is refused. A line is a hint. What it claims is
//! compared with the record and the build records before anything is published.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use uuid::Uuid;

use super::escape::{escaped, unescaped};
use crate::config::{Digest, RRefId};
use crate::store::object::build_record::{BuildKind, BuildRecord};
use crate::store::object::record::Outcome;

/// The most bytes of one bundle, which is read into memory.
pub(super) const MOST_IN_BUNDLE: u64 = 256 << 20;
/// The most bytes that one extent stands for: a pack holds no more.
pub(super) const MOST_IN_EXTENT: u64 = 64 << 20;
/// The most bytes of a pack, and so of a range of one.
pub(super) const MOST_IN_PACK: u64 = 16 << 20;

/// The name of the part that is the record.
pub(super) const RECORD_PART: &str = "record";
/// The name of the part that is the config of the derivation.
pub(super) const CONFIG_PART: &str = "config.json";
/// The name of the part that is the artifacts, one after the other.
pub(super) const OUT_PART: &str = "out";
/// The name of the part that is the list, or the whole text, of code.
pub(super) const LIST_PART: &str = "list";

/// A line of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Code(CodeLine),
    Realization(RealizationLine),
}

/// What a remote says of a realization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RealizationLine {
    pub(super) rref: RRefId,
    pub(super) outcome: Outcome,
    /// The bytes of all artifacts.
    pub(super) size: u64,
    /// What it was made from, in the order of a context.
    pub(super) deps: Vec<RRefId>,
    pub(super) builds: Vec<LineBuild>,
    pub(super) bundle: Bundle,
    /// The objects that hold artifacts which are not in the bundle, sorted, with their sizes.
    pub(super) blobs: Vec<(Digest, u64)>,
}

/// What a remote says of the code that a fingerprint stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodeLine {
    pub(super) fingerprint: String,
    /// The hashes of all items of its list, sorted. Those that are not parts of this line are parts of others.
    pub(super) items: Vec<String>,
    pub(super) bundle: Bundle,
}

/// What a line says of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineBuild {
    pub(super) id: Uuid,
    pub(super) kind: BuildKind,
    /// When the build began, as its record says it.
    pub(super) start: String,
    pub(super) fingerprint: Option<String>,
    /// The digest of the omitted fields, as [`omitted_digest`] makes it.
    pub(super) omitted: Option<Digest>,
}

/// Bytes in packs, one after the other, and the parts that they are cut into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bundle {
    pub(super) parts: Vec<Part>,
    pub(super) at: Vec<Extent>,
}

/// A part of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) size: u64,
    /// The blob that holds it, if it is too large for a bundle.
    pub(super) blob: Option<Digest>,
}

/// Some consecutive members of a pack, and the bytes in them that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) pack: Digest,
    /// The place of the first member in the pack.
    pub(super) from: u64,
    /// The length of the members in the pack.
    pub(super) packed: u64,
    /// The place of the first byte in the inflated members.
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl LineBuild {
    /// Returns what a line has to say of this build.
    pub(super) fn of(build: &BuildRecord) -> Self {
        LineBuild {
            id: build.id,
            kind: build.kind,
            start: build.start.to_string(),
            fingerprint: build.fingerprint.clone(),
            omitted: omitted_digest(build),
        }
    }
}

/// Returns the digest of the omitted fields of a build as compact JSON with sorted keys; `None` if there are none.
fn omitted_digest(build: &BuildRecord) -> Option<Digest> {
    if build.omitted.is_empty() {
        return None;
    }
    // Cannot fail: the values were parsed from JSON.
    let text = serde_json::to_vec(&build.omitted).unwrap_or_default();
    Some(Digest::of(&text))
}

impl Bundle {
    /// Returns the number of bytes of the parts that are in the bundle itself.
    pub(super) fn length(&self) -> u64 {
        let inside = self.parts.iter().filter(|part| part.blob.is_none());
        inside.fold(0, |sum, part| sum.saturating_add(part.size))
    }

    /// Whether the extents are exactly as long as the parts, and no longer than anything may be.
    fn is_consistent(&self) -> bool {
        let extents = self.at.iter();
        let length = extents.fold(0_u64, |sum, extent| sum.saturating_add(extent.length));
        let mut names: Vec<&str> = self.parts.iter().map(|part| part.name.as_str()).collect();
        names.sort_unstable();
        length == self.length()
            && length <= MOST_IN_BUNDLE
            && names.windows(2).all(|pair| pair[0] != pair[1])
            && self.at.iter().all(Extent::is_possible)
    }
}

impl Extent {
    fn is_possible(&self) -> bool {
        let ends = |from: u64, length: u64, most: u64| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= most)
        };
        ends(self.from, self.packed, MOST_IN_PACK) && ends(self.offset, self.length, MOST_IN_EXTENT)
    }
}

impl Line {
    /// Returns the bundle.
    pub(super) fn bundle(&self) -> &Bundle {
        match self {
            Line::Code(line) => &line.bundle,
            Line::Realization(line) => &line.bundle,
        }
    }

    /// Returns the bundle, to be changed.
    pub(super) fn bundle_mut(&mut self) -> &mut Bundle {
        match self {
            Line::Code(line) => &mut line.bundle,
            Line::Realization(line) => &mut line.bundle,
        }
    }

    /// Returns the packs and blobs that the line points to, as the names of objects.
    pub(super) fn objects(&self) -> BTreeSet<String> {
        match self {
            Line::Code(line) => line.bundle.objects().collect(),
            Line::Realization(line) => line.objects(),
        }
    }

    /// Parses a line without its newline; `None` if it is not exactly what is written for it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let line = match words.as_slice() {
            [code, items, parts, at] => Line::Code(CodeLine {
                fingerprint: fingerprint(code.strip_prefix("code:")?)?,
                items: list(items.strip_prefix("items=")?, |hash| Some(hash.to_owned()))?,
                bundle: bundle(parts, at)?,
            }),
            [dref, rref, outcome, size, deps, builds, parts, at, blobs] => {
                let rref: RRefId = rref.parse().ok()?;
                if rref.dref().to_string() != *dref {
                    return None;
                }
                Line::Realization(RealizationLine {
                    rref,
                    outcome: match *outcome {
                        "ok" => Outcome::Ok,
                        "failed" => Outcome::Failed,
                        _ => return None,
                    },
                    size: number(size)?,
                    deps: list(deps.strip_prefix("deps=")?, |dep| dep.parse().ok())?,
                    builds: list(builds.strip_prefix("builds=")?, build)?,
                    bundle: bundle(parts, at)?,
                    blobs: list(blobs.strip_prefix("blobs=")?, blob)?,
                })
            }
            _ => return None,
        };
        (line.is_consistent() && line.to_string() == text).then_some(line)
    }

    fn is_consistent(&self) -> bool {
        match self {
            Line::Code(line) => {
                let parts = &line.bundle.parts;
                let items = parts.iter().skip(1);
                line.bundle.is_consistent()
                    && parts.first().is_some_and(|part| part.name == LIST_PART)
                    && line.items.is_sorted_by(|a, b| a < b)
                    && line.items.iter().all(|hash| is_item(hash))
                    && items.clone().all(|part| is_item(&part.name))
                    && parts.iter().all(|part| part.blob.is_none())
            }
            Line::Realization(line) => {
                let mut parts = line.bundle.parts.iter();
                let mut next = |name| {
                    parts
                        .next()
                        .is_some_and(|part| part.name == name && part.blob.is_none())
                };
                let begins = next(RECORD_PART) && next(CONFIG_PART) && next(OUT_PART);
                let blobs = line.blobs.iter();
                let in_blobs = blobs.fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
                begins
                    && parts.all(|part| part.name.starts_with("build-"))
                    && line.bundle.is_consistent()
                    && line.blobs.is_sorted_by(|a, b| a.0 < b.0)
                    && in_blobs <= line.size
            }
        }
    }
}

impl RealizationLine {
    /// Returns the packs and blobs that the line points to, as the names of objects.
    pub(super) fn objects(&self) -> BTreeSet<String> {
        let blobs = self.blobs.iter().map(|(blob, _)| blob_name(blob));
        self.bundle.objects().chain(blobs).collect()
    }
}

impl Bundle {
    /// Returns the packs and blobs that hold the bundle, as the names of objects.
    pub(super) fn objects(&self) -> impl Iterator<Item = String> {
        let packs = self.at.iter().map(|extent| pack_name(&extent.pack));
        let blobs = self.parts.iter().filter_map(|part| part.blob.as_ref());
        packs.chain(blobs.map(blob_name))
    }
}

/// Returns the name of the object of a pack.
pub(super) fn pack_name(pack: &Digest) -> String {
    format!("pack/{pack}.gz")
}

/// Returns the name of the object of a blob.
pub(super) fn blob_name(blob: &Digest) -> String {
    format!("blob/{blob}")
}

/// Whether a text is the hash of an item of code.
fn is_item(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Parses a number in its only spelling.
fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// Parses items between commas.
fn list<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    match text {
        "" => Some(Vec::new()),
        text => text.split(',').map(parse).collect(),
    }
}

fn fingerprint(text: &str) -> Option<String> {
    unescaped(text).filter(|text| !text.is_empty())
}

fn build(text: &str) -> Option<LineBuild> {
    let words: Vec<&str> = text.split('/').collect();
    let [id, kind, start, code, omitted] = words.as_slice() else {
        return None;
    };
    Some(LineBuild {
        id: Uuid::try_parse(id).ok()?,
        kind: kind_of(kind)?,
        start: unescaped(start)?,
        fingerprint: match *code {
            "-" => None,
            code => Some(unescaped(code)?),
        },
        omitted: match *omitted {
            "-" => None,
            digest => Some(digest.parse().ok()?),
        },
    })
}

fn bundle(parts: &str, at: &str) -> Option<Bundle> {
    Some(Bundle {
        parts: list(parts.strip_prefix("parts=")?, part)?,
        at: list(at.strip_prefix("at=")?, |extent| extent.parse().ok())?,
    })
}

fn part(text: &str) -> Option<Part> {
    let mut words = text.split(':');
    let part = Part {
        name: unescaped(words.next()?).filter(|name| is_file_name(name))?,
        size: number(words.next()?)?,
        blob: match words.next() {
            Some(digest) => Some(digest.parse().ok()?),
            None => None,
        },
    };
    words.next().is_none().then_some(part)
}

/// Whether a text can be the name of a file that lies beside a record.
fn is_file_name(name: &str) -> bool {
    (1..=200).contains(&name.len()) && !name.starts_with('.') && !name.contains(['/', '\0'])
}

fn blob(text: &str) -> Option<(Digest, u64)> {
    let (digest, size) = text.split_once(':')?;
    Some((digest.parse().ok()?, number(size)?))
}

impl FromStr for Extent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parse = || {
            let mut words = text.split(':');
            let pack = words.next()?.parse().ok()?;
            let (from, packed) = words.next()?.split_once('+')?;
            let (offset, length) = words.next()?.split_once('+')?;
            let extent = Extent {
                pack,
                from: number(from)?,
                packed: number(packed)?,
                offset: number(offset)?,
                length: number(length)?,
            };
            words.next().is_none().then_some(extent)
        };
        parse().ok_or(())
    }
}

fn kind_of(word: &str) -> Option<BuildKind> {
    let kinds = [BuildKind::Build, BuildKind::Import, BuildKind::Accept];
    kinds.into_iter().find(|kind| word_of(*kind) == word)
}

fn word_of(kind: BuildKind) -> &'static str {
    match kind {
        BuildKind::Build => "build",
        BuildKind::Import => "import",
        BuildKind::Accept => "accept",
    }
}

/// Writes items with commas between them.
fn put<T: fmt::Display>(f: &mut fmt::Formatter<'_>, key: &str, items: &[T]) -> fmt::Result {
    f.write_str(key)?;
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_char(',')?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Code(line) => {
                write!(f, "code:{}", escaped(&line.fingerprint))?;
                put(f, " items=", &line.items)?;
                write!(f, "{}", line.bundle)
            }
            Line::Realization(line) => {
                let (dref, rref) = (line.rref.dref(), &line.rref);
                write!(f, "{dref} {rref} {} {}", line.outcome, line.size)?;
                put(f, " deps=", &line.deps)?;
                put(f, " builds=", &line.builds)?;
                write!(f, "{}", line.bundle)?;
                let blobs: Vec<String> = (line.blobs.iter())
                    .map(|(digest, size)| format!("{digest}:{size}"))
                    .collect();
                put(f, " blobs=", &blobs)
            }
        }
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put(f, " parts=", &self.parts)?;
        put(f, " at=", &self.at)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", escaped(&self.name), self.size)?;
        match &self.blob {
            Some(blob) => write!(f, ":{blob}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Extent {
            pack,
            from,
            packed,
            offset,
            length,
        } = self;
        write!(f, "{pack}:{from}+{packed}:{offset}+{length}")
    }
}

impl fmt::Display for LineBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, start) = (word_of(self.kind), escaped(&self.start));
        write!(f, "{}/{kind}/{start}/", self.id)?;
        match self.fingerprint.as_deref() {
            // So that it is not taken for none.
            Some("-") => f.write_str("%2D")?,
            Some(code) => f.write_str(&escaped(code))?,
            None => f.write_str("-")?,
        }
        match &self.omitted {
            Some(digest) => write!(f, "/{digest}"),
            None => f.write_str("/-"),
        }
    }
}
