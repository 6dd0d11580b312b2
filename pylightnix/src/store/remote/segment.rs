//! Segments: sorted lines in one gzip file, which is named by its digest and never changed. Putting one is the commit of a push.

use std::io::{Read as _, Write as _};

use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use uuid::Uuid;

use super::line::Line;
use crate::config::Digest;
use crate::{Error, ErrorKind, Result};

/// The first line. It sorts before all others.
const HEAD: &str = "#pylightnix-segment-v1";
/// The most bytes of a segment.
pub(super) const MOST_PACKED: u64 = 1 << 30;
/// The most bytes of the text of a segment.
const MOST: u64 = 8 << 30;

/// The name of a segment: when it was made, by the clock of who made it, and the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SegmentName {
    pub(super) id: Uuid,
    pub(super) digest: Digest,
}

impl SegmentName {
    /// Returns the name of a new segment.
    pub(super) fn new(bytes: &[u8]) -> Self {
        SegmentName {
            id: Uuid::now_v7(),
            digest: Digest::of(bytes),
        }
    }

    /// Returns the name of the object.
    pub(super) fn object(&self) -> String {
        format!("index/{}-{}.gz", self.id, self.digest)
    }

    /// Parses the name of an object; `None` if it is not that of a segment.
    pub(super) fn parse(object: &str) -> Option<Self> {
        let name = object.strip_prefix("index/")?.strip_suffix(".gz")?;
        let (id, digest) = name.split_at_checked(36)?;
        let found = SegmentName {
            id: Uuid::try_parse(id).ok()?,
            digest: digest.strip_prefix('-')?.parse().ok()?,
        };
        (found.object() == object).then_some(found)
    }
}

/// Returns the bytes of a segment with these lines. The same lines give the same bytes.
pub(super) fn to_bytes(lines: &[Line]) -> Result<Vec<u8>> {
    let mut texts: Vec<String> = lines.iter().map(Line::to_string).collect();
    texts.sort_unstable();
    texts.dedup();
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::new(6));
    let mut put = |text: &str| {
        gzip.write_all(text.as_bytes())?;
        gzip.write_all(b"\n")
    };
    put(HEAD)
        .and_then(|()| texts.iter().try_for_each(|text| put(text)))
        .and_then(|()| gzip.finish())
        .map_err(|error| Error::new(ErrorKind::Remote, "a segment cannot be packed").because(error))
}

/// Parses the bytes of a segment strictly. The error is a predicate that follows its name.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Line>, String> {
    let mut text = String::new();
    MultiGzDecoder::new(bytes)
        .take(MOST)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be inflated: {error}"))?;
    let mut lines = text.split_inclusive('\n');
    let mut next = || {
        let line = lines.next()?;
        Some(
            line.strip_suffix('\n')
                .ok_or_else(|| "is cut short".to_owned()),
        )
    };
    match next().transpose()? {
        Some(HEAD) => {}
        _ => return Err(format!("does not begin with the line {HEAD}")),
    }
    let (mut found, mut number) = (Vec::new(), 1_usize);
    let mut before = HEAD;
    while let Some(line) = next().transpose()? {
        number += 1;
        if line <= before {
            return Err(format!("is not sorted: line {number}"));
        }
        before = line;
        let parsed = Line::parse(line);
        found.push(parsed.ok_or_else(|| format!("is not understood in line {number}"))?);
    }
    Ok(found)
}
