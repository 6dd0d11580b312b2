//! A strict parser for zip files, which accounts for every byte.
//!
//! Entries lie back to back from the first byte on, followed by the central directory in the same order, followed by the end
//! record and the end of the file. Local headers have to agree with the central directory. Comments, encryption, data
//! descriptors and extra fields other than 64-bit sizes are rejected. Field names follow the specification
//! (<https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>).

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::{refused, refused_entry};
use crate::{Error, Result};

pub(super) const LOCAL: u32 = 0x0403_4b50;
pub(super) const CENTRAL: u32 = 0x0201_4b50;
pub(super) const END: u32 = 0x0605_4b50;
pub(super) const END_64: u32 = 0x0606_4b50;
pub(super) const LOCATOR_64: u32 = 0x0706_4b50;
const END_LEN: u64 = 22;
pub(super) const END_64_LEN: u64 = 56;
const LOCATOR_64_LEN: u64 = 20;
/// The flag for UTF-8 names, the only one allowed.
pub(super) const UTF_8: u16 = 1 << 11;
/// The host system that gives meaning to Unix modes.
pub(super) const UNIX: u16 = 3;
/// The version needed to extract: for most entries, and for Zip64.
pub(super) const NEEDED: u16 = 20;
pub(super) const NEEDED_64: u16 = 45;
/// 1 January 1980, the earliest date.
pub(super) const DATE: u16 = 1 << 5 | 1;

/// The compression method of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

/// An entry of an archive.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) method: Method,
    pub(super) crc: u32,
    /// The offset and the length of its data in the archive.
    pub(super) data: u64,
    pub(super) packed: u64,
    /// The uncompressed size.
    pub(super) size: u64,
    /// The Unix mode, including the file type.
    pub(super) mode: u32,
}

/// The fields that local and central headers share.
#[derive(PartialEq, Eq)]
struct CommonFields {
    needed: u16,
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc: u32,
    packed: u64,
    size: u64,
    name: Vec<u8>,
}

/// Parses the structure of the archive at `path`.
pub(super) fn read(file: &File, path: &Path) -> Result<Vec<Member>> {
    Frame { path }.read(file)
}

struct Frame<'a> {
    path: &'a Path,
}

impl Frame<'_> {
    fn read(&self, file: &File) -> Result<Vec<Member>> {
        let mut source = Source {
            reader: BufReader::with_capacity(64 << 10, file),
            path: self.path,
            at: 0,
        };
        let length = source.seek(SeekFrom::End(0))?;
        let (count, start, end) = self.directory(&mut source, length)?;
        source.seek(SeekFrom::Start(start))?;
        let mut headers = Vec::new();
        let mut at = start;
        while at < end {
            let (header, used) = self.central(&mut source)?;
            headers.push(header);
            at += used;
        }
        if at != end || headers.len() as u64 != count {
            return Err(self.malformed("its central directory does not have the stated length"));
        }
        let mut members = Vec::with_capacity(headers.len());
        let mut at = 0;
        for (common, offset, mode) in headers {
            let name = self.name(&common)?;
            if offset != at {
                return Err(refused_entry(
                    self.path,
                    &name,
                    "does not follow the one before",
                ));
            }
            source.seek(SeekFrom::Start(at))?;
            let (local, used) = self.local(&mut source)?;
            if local != common {
                return Err(refused_entry(
                    self.path,
                    &name,
                    "has two headers that differ",
                ));
            }
            let data = at + used;
            at = data
                .checked_add(common.packed)
                .filter(|at| *at <= start)
                .ok_or_else(|| refused_entry(self.path, &name, "runs into the next"))?;
            members.push(self.member(common, name, data, mode)?);
        }
        if at != start {
            return Err(
                self.malformed("there is data between its entries and its central directory")
            );
        }
        let mut names = HashSet::new();
        for member in &members {
            if !names.insert(member.name.as_str()) {
                return Err(refused_entry(self.path, &member.name, "comes twice"));
            }
        }
        Ok(members)
    }

    /// Returns the number of entries, and the start and end of the central directory.
    fn directory(&self, source: &mut Source<'_>, length: u64) -> Result<(u64, u64, u64)> {
        let cut = || self.malformed("it has no end record: it may be truncated");
        let end_at = length.checked_sub(END_LEN).ok_or_else(cut)?;
        source.seek(SeekFrom::Start(end_at))?;
        if source.u32()? != END {
            return Err(cut());
        }
        let disks = (source.u16()?, source.u16()?);
        let counts = (source.u16()?, source.u16()?);
        let (size, start) = (source.u32()?, source.u32()?);
        let comment = source.u16()?;
        if disks != (0, 0) || counts.0 != counts.1 || comment != 0 {
            return Err(self.malformed("it has several parts or a comment"));
        }
        let plain = (u64::from(counts.0), u64::from(start), u64::from(size));
        let zip64 = counts.0 == u16::MAX || size == u32::MAX || start == u32::MAX;
        let ((count, start, size), trailer) = if zip64 {
            let (found, at) = self.directory_64(source, end_at)?;
            // Values that fit into 32 bits are repeated in the plain record.
            if !(says(counts.0, u16::MAX, found.0)
                && says(start, u32::MAX, found.1)
                && says(size, u32::MAX, found.2))
            {
                return Err(self.malformed("its end records do not fit together"));
            }
            (found, at)
        } else {
            (plain, end_at)
        };
        if start.checked_add(size) != Some(trailer) {
            return Err(self.malformed("its central directory is not at the stated offset"));
        }
        Ok((count, start, trailer))
    }

    /// Returns the same from the Zip64 records, with their offset.
    fn directory_64(&self, source: &mut Source<'_>, end_at: u64) -> Result<((u64, u64, u64), u64)> {
        let fault = || self.malformed("its end records do not fit together");
        let at = end_at
            .checked_sub(LOCATOR_64_LEN + END_64_LEN)
            .ok_or_else(fault)?;
        source.seek(SeekFrom::Start(at))?;
        let begin = (source.u32()?, source.u64()?);
        let versions = (source.u16()?, source.u16()?);
        let disks = (source.u32()?, source.u32()?);
        let counts = (source.u64()?, source.u64()?);
        let (size, start) = (source.u64()?, source.u64()?);
        let locator = (source.u32()?, source.u32()?, source.u64()?, source.u32()?);
        // The record's size excludes the signature and the size field.
        if begin != (END_64, END_64_LEN - 12)
            || !matches!(versions.0 >> 8, 0 | UNIX)
            || versions.0 & 0xff != versions.1
            || !known(versions.1)
            || disks != (0, 0)
            || counts.0 != counts.1
            || locator != (LOCATOR_64, 0, at, 1)
        {
            return Err(fault());
        }
        Ok(((counts.0, start, size), at))
    }

    /// Parses an entry of the central directory: the shared fields, the offset of the local header, the mode; and the entry's
    /// length.
    fn central(&self, source: &mut Source<'_>) -> Result<((CommonFields, u64, u32), u64)> {
        if source.u32()? != CENTRAL {
            return Err(
                self.malformed("its central directory contains something other than entries")
            );
        }
        let made_by = source.u16()?;
        let mut common = self.common(source)?;
        let (name, extra, comment) = (source.u16()?, source.u16()?, source.u16()?);
        let (disk, internal, external) = (source.u16()?, source.u16()?, source.u32()?);
        let offset = source.u32()?;
        common.name = source.bytes(name.into())?;
        let shown = self.name(&common)?;
        let mut zip64 = Zip64Field::read(source, extra)
            .map_err(|_| refused_entry(self.path, &shown, "has an unexpected extra field"))?;
        let found = zip64.sizes(&mut common) && zip64.is_used_up_by(offset);
        let offset = zip64.value(offset);
        let fits = made_by >> 8 == UNIX
            && is_written(made_by & 0xff)
            && disk == 0
            && internal == 0
            && comment == 0;
        match offset {
            Some(offset) if found && fits => {
                let used = 46 + u64::from(name) + u64::from(extra);
                // The lower half has DOS attributes.
                if external & 0xffff != 0 {
                    return Err(refused_entry(
                        self.path,
                        &shown,
                        "has unexpected attributes",
                    ));
                }
                Ok(((common, offset, external >> 16), used))
            }
            _ => Err(refused_entry(self.path, &shown, "has an unexpected header")),
        }
    }

    /// Parses a local header, and returns it with its length.
    fn local(&self, source: &mut Source<'_>) -> Result<(CommonFields, u64)> {
        if source.u32()? != LOCAL {
            return Err(self.malformed("its central directory does not point to its entries"));
        }
        let mut common = self.common(source)?;
        let (name, extra) = (source.u16()?, source.u16()?);
        common.name = source.bytes(name.into())?;
        let shown = self.name(&common)?;
        let unexpected = || refused_entry(self.path, &shown, "has an unexpected extra field");
        let mut zip64 = Zip64Field::read(source, extra).map_err(|_| unexpected())?;
        if !zip64.sizes(&mut common) || !zip64.is_used_up_by(0) {
            return Err(unexpected());
        }
        Ok((common, 30 + u64::from(name) + u64::from(extra)))
    }

    fn common(&self, source: &mut Source<'_>) -> Result<CommonFields> {
        Ok(CommonFields {
            needed: source.u16()?,
            flags: source.u16()?,
            method: source.u16()?,
            time: source.u16()?,
            date: source.u16()?,
            crc: source.u32()?,
            packed: source.u32()?.into(),
            size: source.u32()?.into(),
            name: Vec::new(),
        })
    }

    fn member(&self, common: CommonFields, name: String, data: u64, mode: u32) -> Result<Member> {
        let refused = |why: &str| Err(refused_entry(self.path, &name, why));
        let method = match common.method {
            0 if common.packed == common.size => Method::Stored,
            8 => Method::Deflated,
            _ => return refused("uses an unknown compression method"),
        };
        let ascii = name.is_ascii();
        if common.flags != if ascii { 0 } else { UTF_8 } || !known(common.needed) {
            return refused("uses an unknown feature of zip files");
        }
        if (common.time, common.date) != (0, DATE) {
            return refused("has an unexpected time");
        }
        Ok(Member {
            name,
            method,
            crc: common.crc,
            data,
            packed: common.packed,
            size: common.size,
            mode,
        })
    }

    fn name(&self, common: &CommonFields) -> Result<String> {
        String::from_utf8(common.name.clone()).map_err(|error| {
            let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
            refused_entry(self.path, &shown, "has a name that is not UTF-8")
        })
    }

    fn malformed(&self, why: &str) -> Error {
        refused(self.path, why)
    }
}

/// Whether a plain number agrees with the 64-bit number, or is the reference to it.
fn says<N: PartialEq + Into<u64>>(number: N, refers: N, zip64: u64) -> bool {
    number == refers || number.into() == zip64
}

/// Whether a version of the specification is supported: all up to the introduction of Zip64.
fn known(version: u16) -> bool {
    (10..=45).contains(&version)
}

/// Whether a version is one that writers use. Unlike other fields it is not repeated elsewhere, so only exact values are
/// accepted, to detect flipped bits.
fn is_written(version: u16) -> bool {
    matches!(version, 10 | NEEDED | NEEDED_64)
}

/// The extra field with numbers above 32 bits, in order.
struct Zip64Field {
    numbers: std::vec::IntoIter<u64>,
}

impl Zip64Field {
    fn read(source: &mut Source<'_>, length: u16) -> Result<Self, ()> {
        let mut numbers = Vec::new();
        if length > 0 {
            let bytes = source.bytes(length.into()).map_err(drop)?;
            let (head, rest) = bytes.split_at_checked(4).ok_or(())?;
            // The header identifier is 1; the length of the data follows.
            if head[..2] != [1, 0] || head[2..] != (length - 4).to_le_bytes() {
                return Err(());
            }
            let (chunks, left) = rest.as_chunks::<8>();
            if chunks.is_empty() || !left.is_empty() {
                return Err(());
            }
            numbers.extend(chunks.iter().map(|bytes| u64::from_le_bytes(*bytes)));
        }
        Ok(Zip64Field {
            numbers: numbers.into_iter(),
        })
    }

    /// Takes the sizes, of which either both or neither are here.
    fn sizes(&mut self, common: &mut CommonFields) -> bool {
        let all = u64::from(u32::MAX);
        match (common.size == all, common.packed == all) {
            (false, false) => true,
            (true, true) => match (self.numbers.next(), self.numbers.next()) {
                (Some(size), Some(packed)) => {
                    (common.size, common.packed) = (size, packed);
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether nothing remains except the value for `offset`.
    fn is_used_up_by(&self, offset: u32) -> bool {
        self.numbers.len() == usize::from(offset == u32::MAX)
    }

    fn value(&mut self, short: u32) -> Option<u64> {
        match short {
            u32::MAX => self.numbers.next(),
            short => Some(short.into()),
        }
    }
}

/// A reader of little-endian numbers. Reaching the end of the file means that the archive is malformed.
struct Source<'a> {
    reader: BufReader<&'a File>,
    path: &'a Path,
    /// The current offset.
    at: u64,
}

impl Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        // Relative seeks keep the buffer, and a seek to the current offset costs no system call.
        let moved = match to {
            SeekFrom::Start(to) => {
                let by = i64::try_from(i128::from(to) - i128::from(self.at));
                let by = by.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
                by.and_then(|by| self.reader.seek_relative(by).map(|()| to))
            }
            to => self.reader.seek(to),
        };
        self.at = moved.map_err(|error| Error::io("read", self.path, error))?;
        Ok(self.at)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.reader.read_exact(bytes).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                refused(self.path, "it ends in the middle of a header")
            } else {
                Error::io("read", self.path, error)
            }
        })?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
