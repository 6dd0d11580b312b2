//! Segments: sorted lines in one gzip file, which is named by its digest and never changed. Putting one is the commit of a push.

use std::io::{Read as _, Write as _};

use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use uuid::{NoContext, Uuid};

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

    /// Returns the name of a new segment that counts as made just after another one.
    pub(super) fn after(bytes: &[u8], other: Uuid) -> Self {
        let just_after = other.get_timestamp().map(|time| {
            let (seconds, nanos) = time.to_unix();
            let nanos = nanos + 1_000_000;
            let seconds = seconds + u64::from(nanos / 1_000_000_000);
            uuid::Timestamp::from_unix(NoContext, seconds, nanos % 1_000_000_000)
        });
        SegmentName {
            id: just_after.map_or_else(Uuid::now_v7, Uuid::new_v7),
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

#[cfg(test)]
mod tests {
    use super::super::line::Extent;
    use super::super::pack::{Packer, unpack};
    use super::*;

    /// A small generator of numbers.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }
    }

    const DIGITS: &[u8] = b"0123456789abcdef:+,=/-. %\n";

    /// Changes a few bytes: to others, twice, or away.
    fn mutant(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=numbers.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = numbers.below(bytes.len());
            match numbers.below(6) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, DIGITS[numbers.below(DIGITS.len())]),
                2 => bytes[at] ^= 1 << numbers.below(8),
                3 => bytes.truncate(at),
                4 => {
                    let end = (at + numbers.below(80)).min(bytes.len());
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => bytes[at] = DIGITS[numbers.below(DIGITS.len())],
            }
        }
        bytes
    }

    fn mutants() -> usize {
        let count = std::env::var("MUTANTS").ok();
        count.and_then(|count| count.parse().ok()).unwrap_or(2000)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::new(1));
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    fn sample() -> String {
        let digest = Digest::of(b"pack");
        let of = |name: &str| format!("{}-{name}", &digest.to_string()[..32]);
        let (a, b) = (of("a"), of("b"));
        let hash = &digest.to_string()[..32];
        let build = "019b0000-0000-7000-8000-000000000001/build/2026-01-01T00%3A00%3A00Z/c0de/-";
        let at = format!("at={digest}:0+700:12+90");
        let parts = "parts=record:40,config.json:20,out:30,build-019b0000-0000-7000-8000-000000000001.log:9:";
        let parts = format!("{parts}{digest}");
        format!(
            "{HEAD}\ncode:c0de items={hash} parts=list:58,{hash}:32 {at}\n\
             dref:{a} rref:{hash}-{a} ok 30 deps= builds={build} {parts} {at} blobs=\n\
             dref:{b} rref:{hash}-{b} ok 5000 deps=rref:{hash}-{a} builds={build} {parts} {at} blobs={digest}:4000\n"
        )
    }

    /// What is read is what would be written: a line has one spelling.
    #[test]
    fn mutants_of_segments_are_refused_or_mean_what_they_say() {
        let text = sample();
        assert_eq!(parse(&gzip(text.as_bytes())).unwrap().len(), 3);
        let packed = gzip(text.as_bytes());
        let mut numbers = Numbers(88172645463325252);
        for at in 0..mutants() {
            // Every tenth is a mutant of the compressed bytes.
            let bytes = match at % 10 {
                0 => mutant(&packed, &mut numbers),
                _ => gzip(&mutant(text.as_bytes(), &mut numbers)),
            };
            if let Ok(lines) = parse(&bytes) {
                let again = parse(&to_bytes(&lines).unwrap()).unwrap();
                assert!(again == lines, "{at}");
            }
        }
    }

    /// What comes out of a pack is never longer than the index says.
    #[test]
    fn mutants_of_packs_are_refused_or_hold_as_much_as_is_said() {
        let mut packer = Packer::default();
        packer
            .add(&b"some text, and some more ".repeat(40))
            .unwrap();
        let (packs, places) = packer.finish().unwrap();
        let (pack, extent) = (&packs[0].bytes, places[0][0]);
        let mut numbers = Numbers(362436069);
        for _ in 0..mutants() {
            let bytes = mutant(pack, &mut numbers);
            let length = numbers.below(2000) as u64 + 1;
            let other = Extent {
                offset: numbers.below(1200) as u64,
                length,
                ..extent
            };
            if let Ok(found) = unpack(&other, &bytes) {
                assert_eq!(found.len() as u64, length);
            }
        }
    }
}
