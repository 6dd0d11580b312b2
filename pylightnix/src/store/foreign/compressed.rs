//! Decompresses gz, xz and zst files.

use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use super::zstd::Zstd;

/// The memory limit of the xz decoder, in KiB. Files made by `xz` with its presets take at most 65 MiB; the zstd decoder has
/// its own limit.
const XZ_MEMORY: u32 = 1 << 20;

/// A compression format.
#[derive(Clone, Copy)]
pub(super) enum Compression {
    /// RFC 1952.
    Gz,
    /// <https://tukaani.org/xz/xz-file-format.txt>
    Xz,
    /// RFC 8878.
    Zst,
}

impl Compression {
    /// Detects the format by the first bytes.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        let known: [(&[u8], Compression); 3] = [
            (b"\x1f\x8b", Compression::Gz),
            (b"\xfd7zXZ\0", Compression::Xz),
            (b"\x28\xb5\x2f\xfd", Compression::Zst),
        ];
        // The first frame may be a skippable one (RFC 8878, 3.1.2).
        if start.len() >= 4 && start[0] & 0xf0 == 0x50 && start[1..4] == *b"\x2a\x4d\x18" {
            return Some(Compression::Zst);
        }
        let found = known
            .into_iter()
            .find(|(magic, _)| start.starts_with(magic));
        found.map(|(_, compression)| compression)
    }

    /// Returns a reader of the decompressed content: all members, streams or frames, with checks of their checksums.
    pub(super) fn read(self, file: BufReader<File>) -> impl BufRead {
        let file = EndReader { file, ended: false };
        let inside: Box<dyn Read> = match self {
            Compression::Gz => Box::new(TruncationCheck(Gz::new(file), |gz| gz.ended())),
            Compression::Xz => Box::new(TruncationCheck(
                XzReader::new_mem_limit(file, true, XZ_MEMORY),
                |xz| xz.inner().ended,
            )),
            Compression::Zst => Box::new(TruncationCheck(Zstd::new(file), |zst| zst.inner().ended)),
        };
        BufReader::with_capacity(128 << 10, inside)
    }
}

/// A reader that notes whether its end was reached.
struct EndReader {
    file: BufReader<File>,
    ended: bool,
}

impl Read for EndReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

impl BufRead for EndReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.file.fill_buf()?;
        self.ended |= bytes.is_empty();
        Ok(bytes)
    }

    fn consume(&mut self, count: usize) {
        self.file.consume(count);
    }
}

/// A reader of all members of a gz file. As gzip does, it accepts padding with zeros after the last member, which tapes and
/// other block devices leave.
struct Gz(Option<GzDecoder<EndReader>>);

impl Gz {
    fn new(file: EndReader) -> Self {
        Gz(Some(GzDecoder::new(file)))
    }

    /// Returns whether the decoder has reached the end of the file.
    fn ended(&self) -> bool {
        self.0.as_ref().is_some_and(|member| member.get_ref().ended)
    }
}

impl Read for Gz {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut file) = self.0.take().map(GzDecoder::into_inner) else {
                break;
            };
            let mut has_zeros = false;
            loop {
                let bytes = file.fill_buf()?;
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                let is_end = bytes.is_empty();
                has_zeros |= zeros > 0;
                file.consume(zeros);
                if is_end {
                    return Ok(0);
                }
                if zeros == 0 {
                    break;
                }
            }
            if has_zeros {
                let problem = "there is data after its end";
                return Err(io::Error::new(ErrorKind::InvalidData, problem));
            }
            self.0 = Some(GzDecoder::new(file));
        }
        Ok(0)
    }
}

/// A decoder that reports a truncated file as `UnexpectedEof`. The function returns whether the decoder has reached the end
/// of the file.
struct TruncationCheck<D>(D, fn(&D) -> bool);

impl<D: Read> Read for TruncationCheck<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let TruncationCheck(decoder, ended) = self;
        decoder.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            _ if ended(decoder) => ErrorKind::UnexpectedEof.into(),
            _ => error,
        })
    }
}
