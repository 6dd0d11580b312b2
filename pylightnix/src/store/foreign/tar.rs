//! Tar archives.
//!
//! Supports the formats of POSIX (`ustar`, and `pax`,
//! <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>), of GNU tar
//! (<https://www.gnu.org/software/tar/manual/html_node/Standard.html>), and their predecessors. This is not left to a crate,
//! so that no entry can allocate more than [`MOST`], and so that an archive without an end marker, or with data after it, is
//! refused.

use std::io::{self, ErrorKind, Read};

use super::tree::Tree;
use crate::Result;

/// The size of a block, of which archives consist.
pub(super) const BLOCK: usize = 512;
/// The maximal size of a long name or a pax header, in bytes.
const MOST: u64 = 1 << 20;

/// Returns whether the block is a header with a correct checksum.
pub(super) fn is_archive(start: &[u8]) -> bool {
    <&[u8; BLOCK]>::try_from(start).is_ok_and(|block| Header(*block).is_sound())
}

/// Writes the content of the archive.
pub(super) fn unpack(from: impl Read, mut tree: Tree) -> Result<()> {
    let mut archive = Archive { from, left: 0 };
    let mut long = ExtendedHeader::default();
    loop {
        let Some(header) = archive.next(&tree)? else {
            break;
        };
        let size = header.size().ok_or_else(|| damaged(&tree))?;
        archive.left = size.next_multiple_of(BLOCK as u64);
        match header.kind() {
            b'L' => long.name = Some(archive.text(size, &tree)?),
            b'K' => long.target = Some(archive.text(size, &tree)?),
            b'x' => long.read_pax(&archive.small(size, &tree)?, &tree)?,
            // Ignore global headers: times, owners, comments.
            b'g' => {
                archive.small(size, &tree)?;
            }
            kind => {
                let long = std::mem::take(&mut long);
                archive.entry(&header, kind, size, long, &mut tree)?;
            }
        }
        archive.skip(&tree)?;
    }
    if long.needs_entry() {
        return Err(damaged(&tree));
    }
    archive.drain(&tree)?;
    tree.finish()
}

/// The attributes of the next entry that do not fit into its header.
#[derive(Default)]
struct ExtendedHeader {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl ExtendedHeader {
    /// Returns whether an entry must follow.
    fn needs_entry(&self) -> bool {
        self.name.is_some() || self.target.is_some() || self.size.is_some()
    }

    /// Parses records of the form `<length> <key>=<value>\n`.
    fn read_pax(&mut self, mut records: &[u8], tree: &Tree) -> Result<()> {
        while !records.is_empty() {
            let (key, value, rest) = pax_record(records).ok_or_else(|| damaged(tree))?;
            match key {
                b"path" => self.name = Some(value.to_owned()),
                b"linkpath" => self.target = Some(value.to_owned()),
                b"size" => {
                    let text = std::str::from_utf8(value).ok();
                    let size = text.and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or_else(|| damaged(tree))?);
                }
                _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
            records = rest;
        }
        Ok(())
    }
}

/// Returns the key and the value of the first record, and the rest.
fn pax_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

struct Archive<R> {
    from: R,
    /// The number of unread bytes of the entry's blocks.
    left: u64,
}

impl<R: Read> Archive<R> {
    /// Reads the next header. Returns `None` at the end of the archive, a block of zeros.
    fn next(&mut self, tree: &Tree) -> Result<Option<Header>> {
        let mut block = [0; BLOCK];
        self.from
            .read_exact(&mut block)
            .map_err(|error| tree.unreadable(&error))?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header(block);
        if !header.is_sound() {
            return Err(damaged(tree));
        }
        Ok(Some(header))
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: u8,
        size: u64,
        long: ExtendedHeader,
        tree: &mut Tree,
    ) -> Result<()> {
        let name = long.name.unwrap_or_else(|| header.name());
        let name = tree.name(&name)?;
        let target = long.target.unwrap_or_else(|| header.target());
        let size = match long.size {
            // The header's octal digits cannot represent 8 GiB and more.
            Some(said) if said != size => {
                self.left = said
                    .checked_next_multiple_of(BLOCK as u64)
                    .ok_or_else(|| damaged(tree))?;
                said
            }
            _ => size,
        };
        if long.sparse || kind == b'S' {
            return Err(tree
                .refused_entry(&name, "is a sparse file, which is not supported")
                .with_help("make the archive again without `--sparse`"));
        }
        match kind {
            b'5' => tree.folder(&name),
            // In the oldest format a folder is a file whose name ends with a slash.
            b'0' | 0 | b'7' if name.ends_with('/') => tree.folder(&name),
            b'0' | 0 | b'7' => {
                let mut data = (&mut self.from).take(size);
                tree.file(&name, header.is_executable(), &mut data, Some(size))?;
                self.left -= size;
                Ok(())
            }
            b'1' => {
                let target = tree.name(&target)?;
                tree.hard_link(&name, &target)
            }
            b'2' => tree.link(&name, &target),
            b'3' | b'4' => Err(tree.refused_entry(&name, "is a device")),
            b'6' => Err(tree.refused_entry(&name, "is a named pipe")),
            other => Err(tree.refused_entry(
                &name,
                &format!("has an unknown type ({:?})", char::from(other)),
            )),
        }
    }

    /// Reads a small entry that describes the next one.
    fn small(&mut self, size: u64, tree: &Tree) -> Result<Vec<u8>> {
        if size > MOST {
            return Err(tree.refused(&format!(
                "it has a name or a header of {size} bytes, and {MOST} are allowed"
            )));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.from)
            .take(size)
            .read_to_end(&mut bytes)
            .map_err(|error| tree.unreadable(&error))?;
        self.left -= read as u64;
        if (read as u64) < size {
            return Err(tree.unreadable(&ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }

    /// Reads a long name, which ends with a NUL.
    fn text(&mut self, size: u64, tree: &Tree) -> Result<Vec<u8>> {
        Ok(up_to_nul(&self.small(size, tree)?).to_owned())
    }

    /// Skips to the next header.
    fn skip(&mut self, tree: &Tree) -> Result<()> {
        let skipped = io::copy(&mut (&mut self.from).take(self.left), &mut io::sink())
            .map_err(|error| tree.unreadable(&error))?;
        if skipped < self.left {
            return Err(tree.unreadable(&ErrorKind::UnexpectedEof.into()));
        }
        self.left = 0;
        Ok(())
    }

    /// Checks that only zeros follow the end marker. This also makes the decompressor check its checksum.
    fn drain(&mut self, tree: &Tree) -> Result<()> {
        let mut buffer = vec![0; 64 << 10];
        let mut after = 0;
        loop {
            let read = match self.from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(tree.unreadable(&error)),
            };
            after += read as u64;
            if buffer[..read].iter().any(|byte| *byte != 0) || after > tree.limit() {
                return Err(tree.refused("there is data after its end"));
            }
        }
    }
}

fn damaged(tree: &Tree) -> crate::Error {
    tree.refused("it is damaged: a header is not valid")
}

/// The header of an entry.
struct Header([u8; BLOCK]);

impl Header {
    /// Returns whether the checksum is correct: the sum of all bytes, with the checksum field as spaces.
    fn is_sound(&self) -> bool {
        let bytes = self.0.iter().enumerate();
        let sum: u64 = bytes
            .map(|(at, byte)| match at {
                148..156 => 32,
                _ => u64::from(*byte),
            })
            .sum();
        octal(&self.0[148..156]) == Some(sum)
    }

    fn kind(&self) -> u8 {
        self.0[156]
    }

    fn is_executable(&self) -> bool {
        octal(&self.0[100..108]).is_some_and(|mode| mode & 0o100 != 0)
    }

    /// Parses the size: octal digits, or, with the first bit set, a number in base 256, as GNU tar writes large sizes.
    fn size(&self) -> Option<u64> {
        let field = &self.0[124..136];
        if field[0] & 0x80 == 0 {
            return octal(field);
        }
        let (high, low) = field.split_at(4);
        if high != [0x80, 0, 0, 0] {
            return None;
        }
        let size = u64::from_be_bytes(low.try_into().ok()?);
        // Larger sizes could not be rounded up to whole blocks.
        (size < 1 << 62).then_some(size)
    }

    fn name(&self) -> Vec<u8> {
        let name = up_to_nul(&self.0[..100]);
        let prefix = up_to_nul(&self.0[345..500]);
        // In GNU tar's format the field has another meaning.
        if &self.0[257..263] != b"ustar\0" || prefix.is_empty() {
            return name.to_owned();
        }
        [prefix, b"/", name].concat()
    }

    fn target(&self) -> Vec<u8> {
        up_to_nul(&self.0[157..257]).to_owned()
    }
}

/// Parses octal digits, with leading spaces, and a trailing space or NUL.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = up_to_nul(field);
    let text = std::str::from_utf8(digits).ok()?.trim_matches(' ');
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| u64::from_str_radix(text, 8).ok())?
}

fn up_to_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
