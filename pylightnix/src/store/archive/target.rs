//! What a zip file is written to.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

const BUFFER: usize = 128 << 10;

/// A file that, after an error, takes anything and keeps nothing: `ZipWriter` ends its file once more when it is dropped,
/// and would panic or complain where that fails again.
pub(super) struct Target {
    file: BufWriter<File>,
    at: u64,
    end: u64,
    broken: bool,
}

impl Target {
    pub(super) fn new(file: File) -> Self {
        let file = BufWriter::with_capacity(BUFFER, file);
        Target {
            file,
            at: 0,
            end: 0,
            broken: false,
        }
    }

    /// The file, with all that was written.
    pub(super) fn into_file(self) -> io::Result<File> {
        if self.broken {
            return Err(io::Error::other("an earlier write failed"));
        }
        self.file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
    }

    /// Notes an error that is the end of the file.
    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            self.broken |= error.kind() != io::ErrorKind::Interrupted;
        }
        result
    }

    fn moved_to(&mut self, at: u64) -> u64 {
        self.at = at;
        self.end = self.end.max(at);
        at
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = if self.broken {
            bytes.len()
        } else {
            let written = self.file.write(bytes);
            self.note(written)?
        };
        self.moved_to(self.at + written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.broken {
            return Ok(());
        }
        let flushed = self.file.flush();
        self.note(flushed)
    }
}

impl Seek for Target {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        let Some(at) = at else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if !self.broken {
            let sought = self.file.seek(SeekFrom::Start(at));
            self.note(sought)?;
        }
        Ok(self.moved_to(at))
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        // The error may have come where `ZipWriter` had gone back: it expects to be after what it wrote.
        Ok(if self.broken { self.end } else { self.at })
    }
}
