//! The first difference between two files.

use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::store::disk::regular::open_regular;
use crate::{Error, Result};

const BUFFER: usize = 128 << 10;

/// The first position at which two files differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FirstDifference {
    /// The number of equal bytes at the beginning.
    pub offset: u64,
    /// The line number, from 1, if the bytes before it are text, that is, contain no NUL.
    pub line: Option<u64>,
    /// The byte in the first file; `None` at its end.
    #[serde(skip)]
    pub old: Option<u8>,
    /// The byte in the second file; `None` at its end.
    #[serde(skip)]
    pub new: Option<u8>,
}

impl FirstDifference {
    /// Compares two files in constant memory, up to the first difference. Returns `None` if they are equal.
    ///
    /// # Errors
    /// Fails if a file cannot be read.
    pub fn of_files(old: impl AsRef<Path>, new: impl AsRef<Path>) -> Result<Option<Self>> {
        let (mut old, mut new) = (Reader::open(old.as_ref())?, Reader::open(new.as_ref())?);
        let (mut offset, mut line, mut text) = (0, 1, true);
        loop {
            let (one, other) = (old.chunk()?, new.chunk()?);
            let common = one
                .iter()
                .zip(other)
                .take_while(|(one, other)| one == other)
                .count();
            let before = &one[..common];
            offset += common as u64;
            line += before.iter().filter(|byte| **byte == b'\n').count() as u64;
            text &= !before.contains(&0);
            let (one_next, other_next) = (one.get(common).copied(), other.get(common).copied());
            let end = one.is_empty() || other.is_empty();
            if (one_next.is_some() && other_next.is_some()) || end {
                text &= one_next != Some(0) && other_next != Some(0);
                return Ok((one_next != other_next).then_some(FirstDifference {
                    offset,
                    line: text.then_some(line),
                    old: one_next,
                    new: other_next,
                }));
            }
            old.take(common);
            new.take(common);
        }
    }
}

impl fmt::Display for FirstDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "from line {line} on (byte {})", self.offset),
            None => write!(f, "from byte {} on", self.offset),
        }
    }
}

/// A buffered file reader.
struct Reader<'a> {
    path: &'a Path,
    file: File,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let opened = open_regular(path);
        let (file, _) = opened.map_err(|error| Error::io("open", path, error))?;
        Ok(Reader {
            path,
            file,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
        })
    }

    /// Returns the buffered bytes, reading more if there are none; empty at the end.
    fn chunk(&mut self) -> Result<&[u8]> {
        while self.start == self.end {
            match self.file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => (self.start, self.end) = (0, read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", self.path, error)),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn take(&mut self, count: usize) {
        self.start += count;
    }
}
