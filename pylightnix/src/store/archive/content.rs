//! Reading the bytes of an archive's entries.

use flate2::{Crc, bufread::DeflateDecoder};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Take};
use std::path::Path;

use super::frame::{Member, Method};
use super::refused_entry;
use crate::{Error, Result};

/// An archive with its entries.
pub(super) struct Archive<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a File,
    pub(super) members: Vec<Member>,
}

impl Archive<'_> {
    /// All bytes of an entry that is stored.
    pub(super) fn bytes(&self, member: &Member) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream(member, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Gives the bytes of an entry to `take`, part by part, and checks that there are as many as it says, with the
    /// checksum that it says.
    pub(super) fn stream(
        &self,
        member: &Member,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut file = self.file;
        file.seek(SeekFrom::Start(member.data))
            .map_err(|error| Error::io("read", self.path, error))?;
        let mut packed = BufReader::with_capacity(64 << 10, file.take(member.packed));
        match member.method {
            Method::Stored => self.drain(member, &mut packed, take)?,
            Method::Deflated => {
                let mut reader = DeflateDecoder::new(packed);
                self.drain(member, &mut reader, take)?;
                if reader.total_in() != member.packed {
                    return Err(self.refused(&member.name, "has something after its end"));
                }
                packed = reader.into_inner();
            }
        }
        let rest: Take<&File> = packed.into_inner();
        if rest.limit() > 0 {
            return Err(self.refused(&member.name, "is cut short"));
        }
        Ok(())
    }

    fn drain(
        &self,
        member: &Member,
        reader: &mut dyn Read,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        // One byte more than there should be, to see that there is not.
        let mut reader = reader.take(member.size.saturating_add(1));
        let mut crc = Crc::new();
        let mut size = 0;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match reader.read(&mut buffer) {
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
            size += read as u64;
            if size > member.size {
                return Err(self.refused(&member.name, "is longer than it says"));
            }
            crc.update(&buffer[..read]);
            take(&buffer[..read])?;
        }
        if size != member.size {
            return Err(self.refused(&member.name, "is shorter than it says"));
        }
        if crc.sum() != member.crc {
            return Err(self.refused(&member.name, "does not have the checksum that it says"));
        }
        Ok(())
    }

    pub(super) fn refused(&self, entry: &str, why: &str) -> Error {
        refused_entry(self.path, entry, why)
    }
}
