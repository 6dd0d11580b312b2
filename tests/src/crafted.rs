//! Zip files with arbitrary headers, derived from valid archives.
//!
//! The fuzzing workspace includes this file too, so it uses nothing else of this package.
#![allow(clippy::panic, reason = "a helper of tests fails them by panicking")]

use flate2::Crc;
use flate2::read::DeflateDecoder;
use pylightnix::config::{ConfigJson, DRefId, Digest, RRefId};
use pylightnix::store::{Entry, EntryKind, Manifest, Record};
use std::io::Read as _;

/// A header of an entry, local or central. The fields after `extra` exist only in central headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The signature.
    pub signature: u32,
    /// The version needed to extract.
    pub needed: u16,
    /// The flags.
    pub flags: u16,
    /// The compression method.
    pub method: u16,
    /// The modification time.
    pub time: u16,
    /// The modification date.
    pub date: u16,
    /// The checksum.
    pub crc: u32,
    /// The compressed size.
    pub packed: u32,
    /// The uncompressed size.
    pub size: u32,
    /// The name.
    pub name: Vec<u8>,
    /// The extra fields.
    pub extra: Vec<u8>,
    /// The version made by.
    pub made_by: u16,
    /// The comment.
    pub comment: Vec<u8>,
    /// The disk number.
    pub disk: u16,
    /// The internal attributes.
    pub internal: u16,
    /// The external attributes, with the Unix mode in the upper half.
    pub external: u32,
    /// The offset of the local header; computed if `None`.
    pub offset: Option<u32>,
}

/// An entry with both headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The local header.
    pub local: Header,
    /// The central header; `None` leaves the entry out of the central directory.
    pub central: Option<Header>,
    /// The compressed data.
    pub data: Vec<u8>,
}

/// The end record. Fields that are `None` are computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The number of this disk.
    pub disk: u16,
    /// The number of the disk with the central directory.
    pub directory_disk: u16,
    /// The number of entries on this disk.
    pub here: Option<u16>,
    /// The total number of entries.
    pub all: Option<u16>,
    /// The size of the central directory.
    pub size: Option<u32>,
    /// The offset of the central directory.
    pub start: Option<u32>,
    /// The comment.
    pub comment: Vec<u8>,
}

/// The parts of a zip file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zip {
    /// The bytes before the first entry.
    pub before: Vec<u8>,
    /// The entries.
    pub items: Vec<Item>,
    /// The bytes between the last entry and the central directory.
    pub between: Vec<u8>,
    /// The bytes between the central directory and the end record.
    pub trailer: Vec<u8>,
    /// The end record.
    pub end: End,
    /// The bytes after the end record.
    pub after: Vec<u8>,
}

/// Computes the CRC-32 checksum of zip files.
#[must_use]
pub fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// A reader of little-endian numbers.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn common(&mut self, signature: u32) -> Option<Header> {
        Some(Header {
            signature,
            needed: self.u16()?,
            flags: self.u16()?,
            method: self.u16()?,
            time: self.u16()?,
            date: self.u16()?,
            crc: self.u32()?,
            packed: self.u32()?,
            size: self.u32()?,
            ..Header::default()
        })
    }

    fn local(&mut self) -> Option<Header> {
        let signature = self.u32()?;
        let mut header = self.common(signature)?;
        let (name, extra) = (self.u16()?, self.u16()?);
        header.name = self.take(name.into())?.to_vec();
        header.extra = self.take(extra.into())?.to_vec();
        Some(header)
    }

    fn central(&mut self) -> Option<Header> {
        let signature = self.u32()?;
        let made_by = self.u16()?;
        let mut header = self.common(signature)?;
        header.made_by = made_by;
        let (name, extra, comment) = (self.u16()?, self.u16()?, self.u16()?);
        (header.disk, header.internal) = (self.u16()?, self.u16()?);
        (header.external, header.offset) = (self.u32()?, Some(self.u32()?));
        header.name = self.take(name.into())?.to_vec();
        header.extra = self.take(extra.into())?.to_vec();
        header.comment = self.take(comment.into())?.to_vec();
        Some(header)
    }
}

impl Header {
    fn common(&self, into: &mut Vec<u8>) {
        for number in [self.needed, self.flags, self.method, self.time, self.date] {
            into.extend(number.to_le_bytes());
        }
        for number in [self.crc, self.packed, self.size] {
            into.extend(number.to_le_bytes());
        }
        into.extend((self.name.len() as u16).to_le_bytes());
        into.extend((self.extra.len() as u16).to_le_bytes());
    }

    fn write_local(&self, into: &mut Vec<u8>) {
        into.extend(self.signature.to_le_bytes());
        self.common(into);
        into.extend(&self.name);
        into.extend(&self.extra);
    }

    fn write_central(&self, into: &mut Vec<u8>, offset: u32) {
        into.extend(self.signature.to_le_bytes());
        into.extend(self.made_by.to_le_bytes());
        self.common(into);
        into.extend((self.comment.len() as u16).to_le_bytes());
        into.extend(self.disk.to_le_bytes());
        into.extend(self.internal.to_le_bytes());
        into.extend(self.external.to_le_bytes());
        into.extend(self.offset.unwrap_or(offset).to_le_bytes());
        into.extend(&self.name);
        into.extend(&self.extra);
        into.extend(&self.comment);
    }
}

impl Item {
    /// Creates a stored file.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>, mode: u32) -> Self {
        let name = name.as_ref();
        let local = Header {
            signature: 0x0403_4b50,
            needed: 20,
            flags: if name.is_ascii() { 0 } else { 1 << 11 },
            date: 0x21,
            ..Header::default()
        };
        let central = Header {
            signature: 0x0201_4b50,
            made_by: 3 << 8 | 20,
            external: mode << 16,
            ..local.clone()
        };
        let mut item = Item {
            local,
            central: Some(central),
            data: Vec::new(),
        };
        item.rename(name);
        item.keep(bytes.as_ref());
        item
    }

    /// Applies a change to both headers.
    pub fn both(&mut self, change: impl Fn(&mut Header)) {
        change(&mut self.local);
        self.central.iter_mut().for_each(change);
    }

    /// Renames the entry.
    pub fn rename(&mut self, name: impl AsRef<[u8]>) {
        self.both(|header| header.name = name.as_ref().to_vec());
    }

    /// Returns the name as text.
    #[must_use]
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.local.name).into_owned()
    }

    /// Replaces the content by stored bytes.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.data = bytes.to_vec();
        self.both(|header| header.method = 0);
        self.seal();
    }

    /// Returns the uncompressed content, at most `most` bytes.
    #[must_use]
    pub fn bytes(&self, most: u64) -> Vec<u8> {
        if self.local.method != 8 {
            return self.data.clone();
        }
        let mut bytes = Vec::new();
        // Malformed data ends the content.
        let _ = DeflateDecoder::new(&*self.data)
            .take(most)
            .read_to_end(&mut bytes);
        bytes
    }

    /// Updates sizes and checksum in the headers.
    pub fn seal(&mut self) {
        let bytes = self.bytes(1 << 24);
        let (crc, packed, size) = (crc(&bytes), self.data.len() as u32, bytes.len() as u32);
        self.both(|header| (header.crc, header.packed, header.size) = (crc, packed, size));
    }

    /// Sets the Unix mode.
    pub fn mode(&mut self, mode: u32) {
        self.both(|header| header.external = mode << 16);
    }
}

impl Zip {
    /// Parses a zip file without gaps and without Zip64 fields; returns `None` for any other file.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut end = Bytes(bytes.get(bytes.len().checked_sub(22)?..)?);
        if end.u32()? != 0x0605_4b50 || end.u32()? != 0 {
            return None;
        }
        let _counts = end.u32()?;
        let (size, start) = (end.u32()? as usize, end.u32()? as usize);
        let mut directory = Bytes(bytes.get(start..start.checked_add(size)?)?);
        let mut items = Vec::new();
        while !directory.0.is_empty() {
            let mut central = directory.central()?;
            let mut at = Bytes(bytes.get(central.offset.take()? as usize..)?);
            let local = at.local()?;
            let data = at.take(local.packed as usize)?.to_vec();
            items.push(Item {
                local,
                central: Some(central),
                data,
            });
        }
        Some(Zip {
            items,
            ..Zip::default()
        })
    }

    /// Serializes the zip file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.before.clone();
        let mut directory = Vec::new();
        let mut count = 0;
        for item in &self.items {
            let offset = bytes.len() as u32;
            item.local.write_local(&mut bytes);
            bytes.extend(&item.data);
            if let Some(central) = &item.central {
                central.write_central(&mut directory, offset);
                count += 1;
            }
        }
        bytes.extend(&self.between);
        let start = bytes.len() as u32;
        bytes.extend(&directory);
        bytes.extend(&self.trailer);
        let end = &self.end;
        bytes.extend(0x0605_4b50_u32.to_le_bytes());
        for number in [
            end.disk,
            end.directory_disk,
            end.here.unwrap_or(count),
            end.all.unwrap_or(count),
        ] {
            bytes.extend(number.to_le_bytes());
        }
        for number in [
            end.size.unwrap_or(directory.len() as u32),
            end.start.unwrap_or(start),
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend((end.comment.len() as u16).to_le_bytes());
        bytes.extend(&end.comment);
        bytes.extend(&self.after);
        bytes
    }

    /// Returns the first entry whose name ends with `end`.
    pub fn item(&mut self, end: &str) -> &mut Item {
        let found = self
            .items
            .iter()
            .position(|item| item.name().ends_with(end));
        let at = found.unwrap_or_else(|| panic!("no entry ends with {end:?}"));
        &mut self.items[at]
    }

    /// Adds a stored file.
    pub fn add(&mut self, name: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) {
        self.items.push(Item::new(name, bytes, 0o100_444));
    }

    /// Replaces a prefix of names.
    fn move_names(&mut self, from: &str, to: &str) {
        for item in &mut self.items {
            if let Some(rest) = item.local.name.strip_prefix(from.as_bytes()) {
                let name = [to.as_bytes(), rest].concat();
                item.rename(name);
            }
        }
    }

    /// Replaces a reference in all configs and records, except those at the positions in `but`. Returns the positions of the
    /// changed ones.
    fn replace(&mut self, from: &str, to: &str, but: &[usize]) -> Vec<usize> {
        let mut changed = Vec::new();
        for (at, item) in self.items.iter_mut().enumerate() {
            let name = item.name();
            if (name.ends_with("/record") || name.ends_with("/config.json"))
                && !but.contains(&at)
                && let Ok(text) = String::from_utf8(item.data.clone())
                && text.contains(from)
            {
                item.keep(text.replace(from, to).as_bytes());
                changed.push(at);
            }
        }
        changed
    }

    /// Changes the config at position `at`, and updates all names and references that depend on its hash.
    pub fn rename_config(&mut self, at: usize) {
        let name = self.items[at].name();
        let Some(from) = name.strip_suffix("/config.json") else {
            return;
        };
        let Some(old) = DRefId::from_folder(from) else {
            return;
        };
        let Ok(config) = ConfigJson::from_canonical(&self.items[at].data) else {
            return;
        };
        let drv = format!("drv {}\n", config.digest());
        let prefix = format!("{from}/");
        for item in &mut self.items {
            if item.name().starts_with(&prefix)
                && item.name().ends_with("/record")
                && let Ok(text) = String::from_utf8(item.data.clone())
                && let (Some(start), Some(end)) =
                    (text.find("drv "), text.find("dep ").or(text.find("res ")))
                && start < end
            {
                item.keep(format!("{}{drv}{}", &text[..start], &text[end..]).as_bytes());
            }
        }
        let to = config.id().clone();
        self.move_names(&prefix, &format!("{}/", to.folder()));
        if old != to {
            let strip = |dref: &DRefId| dref.to_string().trim_start_matches("dref:").to_owned();
            self.replace(&strip(&old), &strip(&to), &[]);
        }
    }

    /// Updates each record to match its artifacts, and updates all names and references that depend on it.
    pub fn reseal_records(&mut self) {
        for at in 0..self.items.len() {
            let name = self.items[at].name();
            let Some(prefix) = name.strip_suffix("/record").map(str::to_owned) else {
                continue;
            };
            let Some((dref, folder)) = prefix.split_once('/') else {
                continue;
            };
            let Some(dref) = DRefId::from_folder(dref) else {
                continue;
            };
            let Some(old) = RRefId::from_folder(&dref, folder) else {
                continue;
            };
            let text = String::from_utf8_lossy(&self.items[at].data).into_owned();
            let text = self.true_record(&prefix, &text).unwrap_or(text);
            self.put_record(at, &old, text.as_bytes());
        }
    }

    /// Replaces the record, at position `at`, of the realization `old`, and updates names and references, including those in
    /// the records of its dependents.
    pub fn put_record(&mut self, at: usize, old: &RRefId, text: &[u8]) {
        self.items[at].keep(text);
        let mut next = vec![(at, old.clone())];
        // Change each record once, because a cycle of references would be followed forever.
        let mut done = Vec::new();
        while let Some((at, old)) = next.pop() {
            done.push(at);
            let dref = old.dref();
            let new = RRefId::new(Digest::of(&self.items[at].data).half(), dref.clone());
            if new == old {
                continue;
            }
            let prefix = |id: &RRefId| format!("{}/{}/", dref.folder(), id.folder());
            self.move_names(&prefix(&old), &prefix(&new));
            for at in self.replace(&old.to_string(), &new.to_string(), &done) {
                let name = self.items[at].name();
                let mut parts = name.split('/');
                let dref = parts.next().and_then(DRefId::from_folder);
                let rref = dref.zip(parts.next());
                let rref = rref.and_then(|(dref, folder)| RRefId::from_folder(&dref, folder));
                if let Some(rref) = rref
                    && !next.iter().any(|(other, _)| *other == at)
                {
                    next.push((at, rref));
                }
            }
        }
    }

    fn true_record(&self, prefix: &str, text: &str) -> Option<String> {
        let record = Record::parse(text).ok()?;
        let mut entries = Vec::new();
        for entry in record.manifest().entries() {
            let name = format!("{prefix}/out/{}", entry.path);
            let item = (self.items.iter()).find(|item| item.local.name == name.as_bytes());
            let kind = match (&entry.kind, item) {
                (EntryKind::File { executable, .. }, Some(item)) => {
                    let bytes = item.bytes(1 << 20);
                    EntryKind::File {
                        digest: Digest::of(&bytes),
                        size: bytes.len() as u64,
                        executable: *executable,
                    }
                }
                (EntryKind::Link { .. }, Some(item)) => EntryKind::Link {
                    target: String::from_utf8(item.data.clone()).ok()?,
                },
                (kind, _) => kind.clone(),
            };
            entries.push(Entry::new(entry.path.clone(), kind));
        }
        let head = record.head();
        let manifest = Manifest::new(entries).ok()?;
        Some(
            Record::new(
                head.derivation,
                head.context.clone(),
                head.outcome,
                manifest,
            )
            .to_text(),
        )
    }
}

/// A deterministic pseudo-random number generator (xorshift64*, Marsaglia 2003 and Vigna 2016).
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Creates a generator with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns the next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns the next number below `most`, which must not be 0.
    pub fn below(&mut self, most: usize) -> usize {
        (self.draw() >> 16) as usize % most.max(1)
    }
}
