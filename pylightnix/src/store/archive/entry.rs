//! Writing the headers of zip files, which `frame` reads. Field names follow the specification
//! (<https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>).

use super::frame::{
    CENTRAL, DATE, END, END_64, END_64_LEN, LOCAL, LOCATOR_64, Method, NEEDED, NEEDED_64, UNIX,
    UTF_8,
};
use crate::store::disk::bytes::{put_u32, put_u64};

/// The 32-bit value that refers to a 64-bit extra field.
const ELSEWHERE: u64 = u32::MAX as u64;

/// The header fields of an entry.
pub(super) struct Header {
    pub(super) name: String,
    /// The Unix mode, including the file type.
    pub(super) mode: u32,
    pub(super) method: Method,
    pub(super) crc: u32,
    pub(super) packed: u64,
    pub(super) size: u64,
    /// Whether the sizes are stored in 64 bits.
    pub(super) large: bool,
    /// The offset of the local header.
    pub(super) offset: u64,
}

impl Header {
    pub(super) fn local(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.name.len());
        put_u32(&mut bytes, LOCAL);
        self.common(&mut bytes);
        let extra = self.sizes_64();
        put_u16(&mut bytes, self.name.len() as u16);
        put_u16(&mut bytes, extra.len() as u16);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(&extra);
        bytes
    }

    /// Appends the entry of the central directory.
    pub(super) fn central(&self, to: &mut Vec<u8>) {
        put_u32(to, CENTRAL);
        put_u16(to, UNIX << 8 | self.needed());
        self.common(to);
        let mut extra = self.sizes_64();
        if self.offset >= ELSEWHERE {
            if extra.is_empty() {
                extra.extend_from_slice(&[1, 0, 0, 0]);
            }
            put_u64(&mut extra, self.offset);
            let length = (extra.len() - 4) as u16;
            extra[2..4].copy_from_slice(&length.to_le_bytes());
        }
        put_u16(to, self.name.len() as u16);
        put_u16(to, extra.len() as u16);
        // No comment, first disk, no internal attributes.
        to.extend_from_slice(&[0; 6]);
        put_u32(to, self.mode << 16);
        put_u32(to, short(self.offset));
        to.extend_from_slice(self.name.as_bytes());
        to.extend_from_slice(&extra);
    }

    fn needed(&self) -> u16 {
        // A large offset needs it too, and both headers must agree.
        match self.large || self.offset >= ELSEWHERE {
            true => NEEDED_64,
            false => NEEDED,
        }
    }

    fn common(&self, to: &mut Vec<u8>) {
        put_u16(to, self.needed());
        put_u16(to, if self.name.is_ascii() { 0 } else { UTF_8 });
        put_u16(
            to,
            match self.method {
                Method::Stored => 0,
                Method::Deflated => 8,
            },
        );
        // Modification time.
        put_u16(to, 0);
        put_u16(to, DATE);
        put_u32(to, self.crc);
        for size in [self.packed, self.size] {
            put_u32(to, if self.large { u32::MAX } else { size as u32 });
        }
    }

    /// Returns the extra field with 64-bit sizes; empty if it is not needed.
    fn sizes_64(&self) -> Vec<u8> {
        let mut extra = Vec::new();
        if self.large {
            extra.extend_from_slice(&[1, 0, 16, 0]);
            put_u64(&mut extra, self.size);
            put_u64(&mut extra, self.packed);
        }
        extra
    }
}

/// Returns the end records for a central directory with `count` entries and `size` bytes at offset `start`.
pub(super) fn end(count: u64, start: u64, size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if count >= u64::from(u16::MAX) || start >= ELSEWHERE || size >= ELSEWHERE {
        put_u32(&mut bytes, END_64);
        // The record's size excludes the signature and the size field.
        put_u64(&mut bytes, END_64_LEN - 12);
        put_u16(&mut bytes, UNIX << 8 | NEEDED_64);
        put_u16(&mut bytes, NEEDED_64);
        // The number of this disk, and of the disk with the central directory.
        put_u64(&mut bytes, 0);
        for number in [count, count, size, start] {
            put_u64(&mut bytes, number);
        }
        put_u32(&mut bytes, LOCATOR_64);
        put_u32(&mut bytes, 0);
        put_u64(&mut bytes, start + size);
        // The total number of disks.
        put_u32(&mut bytes, 1);
    }
    put_u32(&mut bytes, END);
    put_u32(&mut bytes, 0);
    for _ in 0..2 {
        put_u16(&mut bytes, count.min(u64::from(u16::MAX)) as u16);
    }
    put_u32(&mut bytes, short(size));
    put_u32(&mut bytes, short(start));
    put_u16(&mut bytes, 0);
    bytes
}

/// Returns the number, or the reference to the 64-bit field.
fn short(number: u64) -> u32 {
    number.min(ELSEWHERE) as u32
}

fn put_u16(to: &mut Vec<u8>, number: u16) {
    to.extend_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::Result;
    use crate::store::archive::{FILE_MODE, frame};

    /// Writes entries of these sizes to a sparse file, and reads them back.
    fn read_back(sizes: &[u64]) -> Result<Vec<frame::Member>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.zip");
        let file = File::create_new(&path).unwrap();
        let (mut at, mut directory) = (0, Vec::new());
        let mut put = |bytes: &[u8], after: u64| {
            file.write_all_at(bytes, at).unwrap();
            at += bytes.len() as u64 + after;
            at
        };
        let mut offset = 0;
        for (number, size) in sizes.iter().enumerate() {
            let header = Header {
                name: format!("\u{e9}{number}"),
                mode: FILE_MODE,
                method: Method::Stored,
                crc: 7,
                packed: *size,
                size: *size,
                large: *size >= ELSEWHERE,
                offset,
            };
            offset = put(&header.local(), *size);
            header.central(&mut directory);
        }
        put(&directory, 0);
        put(&end(sizes.len() as u64, offset, directory.len() as u64), 0);
        frame::read(&File::open(&path).unwrap(), &path)
    }

    #[test]
    fn sizes_and_places_beyond_32_bits_are_read_back() {
        let large = u64::from(u32::MAX);
        for sizes in [
            vec![],
            vec![0, 5, 3],
            vec![large - 1, 1],
            vec![large, 1, 0],
            vec![3 * large, large + 1, 2, large - 1],
        ] {
            let members = read_back(&sizes).unwrap();
            let found: Vec<u64> = members.iter().map(|member| member.size).collect();
            assert_eq!(found, sizes);
            for (number, member) in members.iter().enumerate() {
                assert_eq!(member.name, format!("\u{e9}{number}"));
                assert_eq!((member.crc, member.mode), (7, FILE_MODE));
                assert_eq!(member.packed, member.size);
            }
        }
    }
}
