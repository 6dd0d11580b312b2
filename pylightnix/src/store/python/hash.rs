//! The hash of a Python realization.
//!
//! It is the sha256 of the bytes of its files, one after the other: those of a folder in the order of their names, then those of
//! its folders. A link to a file gives its target and then the bytes of that file. What begins with `_` gives nothing, and neither
//! does a link to a folder. The folders of a folder come in the order in which the file system listed them on the machine that made
//! the realization, which is written nowhere. So a hash is found again by trying their orders.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use super::names::is_unhashed;
use crate::store::disk::regular::open_regular;
use crate::{Error, Result};

/// At most this many orders of folders are tried, and this many bytes hashed for that.
const MOST_ORDERS: u64 = 100_000;
const MOST_BYTES: u64 = 2 << 30;
/// Files of this size together are kept in memory while orders are tried.
const IN_MEMORY: u64 = 64 << 20;
const BUFFER: usize = 128 << 10;

/// An entry of a realization's folder, for its hash.
pub(super) enum Hashed {
    Folder,
    /// A file whose bytes are at this path.
    File(PathBuf),
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// A link with this target to a file at this path.
    Link(String, PathBuf),
    /// A link to a folder.
    LinkToFolder,
}

/// Whether the files of a realization have the hash that is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Fits,
    Differs,
    /// Its folders can be in more orders than were tried.
    Unknown,
}

/// What is hashed of a folder.
#[derive(Default)]
pub(super) struct HashedFolder {
    name: String,
    pieces: Vec<Piece>,
    /// The folders that give any bytes, in the order in which they were listed.
    folders: Vec<HashedFolder>,
}

enum Piece {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl HashedFolder {
    /// Collects what is hashed of a folder with these entries, by their paths. Folders that lie in one folder keep their order.
    pub(super) fn of(entries: impl IntoIterator<Item = (String, Hashed)>) -> Self {
        let mut folders: BTreeMap<String, Listed> = BTreeMap::new();
        let mut order: Vec<String> = Vec::new();
        folders.insert(String::new(), Listed::default());
        for (path, hashed) in entries {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let pieces = match hashed {
                Hashed::Folder => {
                    order.push(path.clone());
                    folders.entry(path).or_default();
                    continue;
                }
                _ if is_unhashed(name) => continue,
                Hashed::LinkToFolder => continue,
                Hashed::Bytes(bytes) => vec![Piece::Bytes(bytes)],
                Hashed::File(path) => vec![Piece::File(path)],
                Hashed::Link(target, path) => {
                    vec![Piece::Bytes(target.into_bytes()), Piece::File(path)]
                }
            };
            let parent = folders.entry(parent.to_owned()).or_default();
            parent.files.insert(name.to_owned(), pieces);
        }
        for path in order {
            let (parent, _) = path.rsplit_once('/').unwrap_or(("", &path));
            let parent = folders.entry(parent.to_owned()).or_default();
            parent.folders.push(path.clone());
        }
        assembled(&mut folders, "")
    }

    /// Returns the hash with the folders in the order in which they were listed.
    pub(super) fn hash(&self) -> Result<[u8; 16]> {
        let mut hasher = Sha256::new();
        self.feed(&mut hasher, &Orders::default(), &mut 0)?;
        Ok(half(hasher))
    }

    /// Compares the hash with `expected`, in any order of the folders.
    pub(super) fn fit(mut self, expected: &[u8; 16]) -> Result<Fit> {
        if self.hash()? == *expected {
            return Ok(Fit::Fits);
        }
        let mut orders = Orders::default();
        self.choices(&mut orders);
        if orders.0.is_empty() {
            return Ok(Fit::Differs);
        }
        let mut left = IN_MEMORY;
        self.read(&mut left)?;
        // The first order is by name, as an export writes it.
        self.sort();
        let mut bytes = 0;
        for _ in 0..MOST_ORDERS {
            let mut hasher = Sha256::new();
            bytes += self.feed(&mut hasher, &orders, &mut 0)?;
            if half(hasher) == *expected {
                return Ok(Fit::Fits);
            }
            if !orders.advance() {
                return Ok(Fit::Differs);
            }
            if bytes > MOST_BYTES {
                break;
            }
        }
        Ok(Fit::Unknown)
    }

    fn sort(&mut self) {
        self.folders.sort_by(|one, other| one.name.cmp(&other.name));
        self.folders.iter_mut().for_each(HashedFolder::sort);
    }

    /// Adds an order for each folder that has several, in the order of [`feed`](Self::feed).
    fn choices(&self, orders: &mut Orders) {
        if self.folders.len() > 1 {
            orders.0.push((0..self.folders.len()).collect());
        }
        for folder in &self.folders {
            folder.choices(orders);
        }
    }

    /// Reads small files into memory, as long as there is room for them.
    fn read(&mut self, left: &mut u64) -> Result<()> {
        for piece in &mut self.pieces {
            if let Piece::File(path) = piece {
                let (file, size) =
                    open_regular(path).map_err(|error| Error::io("read", path, error))?;
                if size > *left {
                    continue;
                }
                *left -= size;
                let mut bytes = Vec::new();
                let read = file.take(size + 1).read_to_end(&mut bytes);
                read.map_err(|error| Error::io("read", path, error))?;
                *piece = Piece::Bytes(bytes);
            }
        }
        self.folders
            .iter_mut()
            .try_for_each(|folder| folder.read(left))
    }

    /// Hashes all bytes, with the folders in these orders, of which `at` is the next. Returns their number.
    fn feed(&self, hasher: &mut Sha256, orders: &Orders, at: &mut usize) -> Result<u64> {
        let mut fed = 0;
        for piece in &self.pieces {
            fed += match piece {
                Piece::Bytes(bytes) => {
                    hasher.update(bytes);
                    bytes.len() as u64
                }
                Piece::File(path) => feed_file(hasher, path)?,
            };
        }
        let order = match self.folders.len() {
            0 | 1 => None,
            _ => {
                *at += 1;
                orders.0.get(*at - 1)
            }
        };
        // The orders of what is below stand in the list as the folders were listed.
        let mut below = Vec::with_capacity(self.folders.len());
        for folder in &self.folders {
            below.push(*at);
            *at += folder.count();
        }
        for index in 0..self.folders.len() {
            let which = order.map_or(index, |order| order[index]);
            fed += self.folders[which].feed(hasher, orders, &mut below[which])?;
        }
        Ok(fed)
    }

    /// Returns the number of folders that have several orders.
    fn count(&self) -> usize {
        let own = usize::from(self.folders.len() > 1);
        own + self.folders.iter().map(HashedFolder::count).sum::<usize>()
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.folders.is_empty()
    }
}

/// The content of a folder as it was listed.
#[derive(Default)]
struct Listed {
    files: BTreeMap<String, Vec<Piece>>,
    folders: Vec<String>,
}

/// Returns the folder at a path with all that is below it.
fn assembled(folders: &mut BTreeMap<String, Listed>, path: &str) -> HashedFolder {
    let listed = folders.remove(path).unwrap_or_default();
    let below = listed.folders.iter();
    HashedFolder {
        name: path.to_owned(),
        pieces: listed.files.into_values().flatten().collect(),
        folders: below
            .map(|path| assembled(folders, path))
            .filter(|folder| !folder.is_empty())
            .collect(),
    }
}

/// An order for each folder that has several folders.
#[derive(Default)]
struct Orders(Vec<Vec<usize>>);

impl Orders {
    /// Goes to the next orders. Returns `false` after the last, when all are the first again.
    fn advance(&mut self) -> bool {
        self.0.iter_mut().rev().any(|order| next(order))
    }
}

/// Goes to the next permutation in lexicographic order. Returns `false` after the last one, when it is the first again.
fn next(order: &mut [usize]) -> bool {
    let Some(at) = (1..order.len()).rfind(|at| order[at - 1] < order[*at]) else {
        order.reverse();
        return false;
    };
    if let Some(other) = (at..order.len()).rfind(|other| order[*other] > order[at - 1]) {
        order.swap(at - 1, other);
    }
    order[at..].reverse();
    true
}

fn feed_file(hasher: &mut Sha256, path: &std::path::Path) -> Result<u64> {
    let unreadable = |error| Error::io("read", path, error);
    let (mut file, _): (File, u64) = open_regular(path).map_err(unreadable)?;
    let mut buffer = vec![0; BUFFER];
    let mut fed = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(fed),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                fed += read as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
}

/// Returns the first half of the digest.
fn half(hasher: Sha256) -> [u8; 16] {
    let digest: [u8; 32] = hasher.finalize().into();
    crate::config::Digest(digest).half()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(folders: &[&str]) -> HashedFolder {
        let mut entries = vec![
            ("context.json".to_owned(), Hashed::Bytes(b"{}".to_vec())),
            ("_note".to_owned(), Hashed::Bytes(b"no".to_vec())),
        ];
        for folder in folders {
            entries.push(((*folder).to_owned(), Hashed::Folder));
        }
        for folder in folders {
            let file = (
                format!("{folder}/f"),
                Hashed::Bytes(folder.as_bytes().to_vec()),
            );
            entries.push(file);
        }
        HashedFolder::of(entries)
    }

    #[test]
    fn the_order_of_folders_is_found() {
        let made = ["c", "a", "_b", "a/x", "a/z", "a/y", "c/2", "c/1"];
        let hash = tree(&made).hash().unwrap();
        let sorted = ["_b", "a", "a/x", "a/y", "a/z", "c", "c/1", "c/2"];
        assert_ne!(tree(&sorted).hash().unwrap(), hash);
        assert_eq!(tree(&sorted).fit(&hash).unwrap(), Fit::Fits);
        assert_eq!(tree(&sorted).fit(&[0; 16]).unwrap(), Fit::Differs);
        assert_eq!(tree(&["a"]).fit(&hash).unwrap(), Fit::Differs);
        let many: Vec<String> = (10..30).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(tree(&many).fit(&[0; 16]).unwrap(), Fit::Unknown);
    }

    #[test]
    fn permutations_are_all_visited() {
        let mut order = [0, 1, 2, 3];
        let mut seen = vec![order];
        while next(&mut order) {
            seen.push(order);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 24);
        assert_eq!(order, [0, 1, 2, 3]);
    }
}
