//! Reading the content of archive entries.

use crc32fast::Hasher as Crc;
use flate2::bufread::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::frame::{Member, Method};
use super::refused_entry;
use crate::store::disk::hashing_stream::HashingStream;
use crate::{Error, Result};

/// Buffer size for deflated data.
const BUFFER: u64 = 64 << 10;

/// An open archive and its entries.
pub(super) struct Archive<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a File,
    pub(super) members: Vec<Member>,
}

impl Archive<'_> {
    /// Reads the content of a stored entry.
    pub(super) fn bytes(&self, member: &Member) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let passing = &mut HashingStream::unhashed(member.size);
        self.stream(member, passing, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Streams the content of an entry to `take` and to `passing`, and checks its size and checksum.
    pub(super) fn stream(
        &self,
        member: &Member,
        passing: &mut HashingStream,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut packed = Packed {
            file: self.file,
            at: member.data,
            left: member.packed,
        };
        match member.method {
            Method::Stored => self.drain(member, &mut packed, passing, take)?,
            Method::Deflated => {
                let capacity = BUFFER.min(member.packed) as usize;
                let mut reader =
                    DeflateDecoder::new(BufReader::with_capacity(capacity, &mut packed));
                self.drain(member, &mut reader, passing, take)?;
                if reader.total_in() != member.packed {
                    return Err(self.refused(&member.name, "has data after its end"));
                }
            }
        }
        if packed.left > 0 {
            return Err(self.refused(&member.name, "is cut short"));
        }
        Ok(())
    }

    fn drain(
        &self,
        member: &Member,
        reader: &mut dyn Read,
        passing: &mut HashingStream,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        // One byte of room beyond the expected size detects an entry that is longer.
        let mut reader = reader.take(member.size.saturating_add(1));
        let mut crc = Crc::new();
        loop {
            let read = match reader.read(passing.buffer()) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.raw_os_error().is_some() => {
                    return Err(Error::io("read", self.path, error));
                }
                Err(error) => {
                    let fault = self.refused(&member.name, "cannot be inflated");
                    return Err(fault.because(error));
                }
            };
            if passing.size() + read as u64 > member.size {
                return Err(self.refused(&member.name, "is longer than its header says"));
            }
            let part = &passing.buffer()[..read];
            crc.update(part);
            take(part)?;
            passing.pass(read);
        }
        if passing.size() != member.size {
            return Err(self.refused(&member.name, "is shorter than its header says"));
        }
        if crc.finalize() != member.crc {
            return Err(self.refused(&member.name, "does not match its checksum"));
        }
        Ok(())
    }

    pub(super) fn refused(&self, entry: &str, why: &str) -> Error {
        refused_entry(self.path, entry, why)
    }
}

/// A reader of an entry's raw data. It uses positioned reads, so that several entries can be read in parallel.
struct Packed<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.left.min(buffer.len() as u64);
        if length == 0 {
            return Ok(0);
        }
        let read = self.file.read_at(&mut buffer[..length as usize], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
