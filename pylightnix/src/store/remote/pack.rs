//! Packs: gzip files of many small files, whose members can be read alone.

use std::io::{self, Read as _, Write as _};

use flate2::bufread::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

use super::line::{Extent, MOST_IN_EXTENT, MOST_IN_PACK};
use crate::config::Digest;
use crate::{Error, ErrorKind, Result};

/// The number of bytes from which a member is ended.
const MEMBER: usize = 128 << 10;
/// The most bytes that deflate adds to a full member.
const SLACK: u64 = 64 << 10;

/// A finished pack.
pub(super) struct Pack {
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
}

/// Writes bundles into packs. The same bundles in the same order give the same packs.
#[derive(Default)]
pub(super) struct Packer {
    /// The finished members of the current pack, with the length of what is in them.
    bytes: Vec<u8>,
    inflated: u64,
    /// The members of the current pack: place in it, and place in the inflated pack.
    members: Vec<(u64, u64)>,
    /// What the current member will hold.
    pending: Vec<u8>,
    /// The bundles of the current pack: number, and places in the inflated pack.
    bundles: Vec<(usize, u64, u64)>,
    /// Where each bundle is, by its number.
    places: Vec<Vec<Extent>>,
    finished: Vec<Pack>,
}

impl Packer {
    /// Adds a bundle, and returns its number.
    pub(super) fn add(&mut self, mut bytes: &[u8]) -> Result<usize> {
        let number = self.places.len();
        self.places.push(Vec::new());
        while !bytes.is_empty() {
            let begin = self.inflated + self.pending.len() as u64;
            let mut from = bytes;
            // A bundle goes on in the next pack only if it does not fit into this one.
            while !from.is_empty() && !self.is_full() {
                let room = MEMBER - self.pending.len();
                let (part, rest) = from.split_at(from.len().min(room));
                self.pending.extend_from_slice(part);
                from = rest;
                if self.pending.len() == MEMBER {
                    self.end_member()?;
                }
            }
            let taken = (bytes.len() - from.len()) as u64;
            if taken > 0 {
                self.bundles.push((number, begin, begin + taken));
            }
            bytes = from;
            if self.is_full() {
                self.end_pack()?;
            }
        }
        Ok(number)
    }

    /// Whether one more full member might be too much for the current pack.
    fn is_full(&self) -> bool {
        let next = MEMBER as u64 + SLACK;
        self.bytes.len() as u64 + next > MOST_IN_PACK || self.inflated + next > MOST_IN_EXTENT
    }

    fn end_member(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.members.push((self.bytes.len() as u64, self.inflated));
        self.inflated += self.pending.len() as u64;
        // No time and no name: the same content gives the same bytes.
        let mut gzip = GzBuilder::new().write(std::mem::take(&mut self.bytes), Compression::new(6));
        let packed = gzip.write_all(&self.pending).and_then(|()| gzip.finish());
        self.bytes = packed.map_err(|error| {
            Error::new(ErrorKind::Remote, "a pack cannot be written").because(error)
        })?;
        self.pending.clear();
        Ok(())
    }

    fn end_pack(&mut self) -> Result<()> {
        self.end_member()?;
        if self.bytes.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.bytes);
        let digest = Digest::of(&bytes);
        let all = (bytes.len() as u64, self.inflated);
        for (number, begin, end) in self.bundles.drain(..) {
            let first = self.members.partition_point(|(_, at)| *at <= begin) - 1;
            let after = self.members.partition_point(|(_, at)| *at < end);
            let (from, inflated) = self.members[first];
            let (to, _) = self.members.get(after).copied().unwrap_or(all);
            self.places[number].push(Extent {
                pack: digest,
                from,
                packed: to - from,
                offset: begin - inflated,
                length: end - begin,
            });
        }
        self.members.clear();
        self.inflated = 0;
        self.finished.push(Pack { digest, bytes });
        Ok(())
    }

    /// Takes the packs that are finished by now.
    pub(super) fn take_finished(&mut self) -> Vec<Pack> {
        std::mem::take(&mut self.finished)
    }

    /// Ends the last pack. Returns it, if there is one, and where each bundle is.
    pub(super) fn finish(mut self) -> Result<(Vec<Pack>, Vec<Vec<Extent>>)> {
        self.end_pack()?;
        Ok((self.finished, self.places))
    }
}

/// Inflates the members of an extent, and returns the bytes that it stands for. The error is a predicate that follows the name
/// of the pack.
pub(super) fn unpack(extent: &Extent, members: &[u8]) -> Result<Vec<u8>, String> {
    let end = extent.offset.saturating_add(extent.length);
    let mut reader = MultiGzDecoder::new(members);
    let mut bytes = Vec::new();
    let inflated = (&mut reader)
        .take(end.min(MOST_IN_EXTENT))
        .read_to_end(&mut bytes);
    inflated
        // To the end, as each member ends with its checksum.
        .and_then(|_| io::copy(&mut reader.take(MOST_IN_EXTENT), &mut io::sink()))
        .map_err(|error| format!("cannot be inflated: {error}"))?;
    if bytes.len() as u64 != end {
        return Err("holds less than the index says".to_owned());
    }
    let offset = usize::try_from(extent.offset).map_err(|_| "is too long".to_owned())?;
    bytes.drain(..offset);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that deflate cannot make smaller.
    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn packed(bundles: &[Vec<u8>]) -> (Vec<Pack>, Vec<Vec<Extent>>) {
        let mut packer = Packer::default();
        for bundle in bundles {
            packer.add(bundle).unwrap();
        }
        packer.finish().unwrap()
    }

    #[test]
    fn bundles_come_back_from_ranges_of_their_packs() {
        let lengths = [
            0,
            1,
            700,
            MEMBER - 701,
            5,
            MEMBER,
            3 * MEMBER + 1,
            20 << 20,
            9,
            70 << 20,
            3,
        ];
        let mut bundles: Vec<Vec<u8>> = (lengths.iter().enumerate())
            .map(|(at, length)| noise(*length, at as u64))
            .collect();
        // Zeros, of which a pack could hold gigabytes.
        bundles[9].fill(0);
        let (packs, places) = packed(&bundles);
        assert!(
            packs
                .iter()
                .all(|pack| pack.bytes.len() as u64 <= MOST_IN_PACK)
        );
        assert!(
            packs
                .iter()
                .all(|pack| Digest::of(&pack.bytes) == pack.digest)
        );
        assert_eq!(places.len(), bundles.len());
        for (bundle, places) in bundles.iter().zip(&places) {
            let mut found = Vec::new();
            for extent in places {
                let pack = packs
                    .iter()
                    .find(|pack| pack.digest == extent.pack)
                    .unwrap();
                let range = extent.from as usize..(extent.from + extent.packed) as usize;
                found.extend(unpack(extent, &pack.bytes[range]).unwrap());
            }
            assert!(found == *bundle, "{}", bundle.len());
        }
        let (again, same) = packed(&bundles);
        assert!(again.iter().zip(&packs).all(|(a, b)| a.bytes == b.bytes) && same == places);
    }

    #[test]
    fn a_changed_byte_of_a_member_is_noticed() {
        let (packs, places) = packed(&[noise(1000, 7), noise(2000, 9)]);
        let extent = &places[0][0];
        for at in 0..packs[0].bytes.len() {
            // Whether it is text, the time and the system in the head of a gzip member have no meaning.
            if (3..10).contains(&at) {
                continue;
            }
            let mut bytes = packs[0].bytes.clone();
            bytes[at] ^= 1;
            let found = unpack(extent, &bytes);
            assert!(found.is_err(), "byte {at}");
        }
    }
}
