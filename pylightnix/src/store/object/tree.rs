//! Manifests of file trees, and tree digests.
//!
//! The digest is that of the canonical `Directory` message of the Remote Execution API, version 2
//! (`build.bazel.remote.execution.v2`, <https://github.com/bazelbuild/remote-apis>), encoded here by hand. So the digest
//! of each file and folder is the key under which a content-addressed cache of that API holds it.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::config::Digest;
use crate::{Error, ErrorKind, Result};

/// Maximum length of an entry's name, in bytes.
pub(in crate::store) const MAX_NAME: usize = 255;
/// Maximum length of a link's target, in bytes.
pub(in crate::store) const MAX_TARGET: usize = 4095;
/// Maximum number of names in a path.
pub(in crate::store) const MAX_DEPTH: usize = 128;

/// The digest of a tree, printed as `<64 hex digits>/<size>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeDigest {
    /// The SHA-256 of the root's `Directory` message.
    pub digest: Digest,
    /// The length of that message, in bytes.
    pub size: u64,
}

impl fmt::Display for TreeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.digest, self.size)
    }
}

impl FromStr for TreeDigest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault = || {
            Error::new(
                ErrorKind::Reference,
                format!("`{text}` is not a tree digest, which has the form <64 hex digits>/<size>"),
            )
        };
        let (digest, size) = text.split_once('/').ok_or_else(fault)?;
        Ok(TreeDigest {
            digest: digest.parse()?,
            size: size.parse().map_err(|_| fault())?,
        })
    }
}

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The path from the tree's root, with `/` as separator.
    pub path: String,
    /// The type of the entry, with its content.
    pub kind: EntryKind,
}

impl Entry {
    /// Creates the entry for `path`. [`Manifest::new`] checks whether it is valid.
    pub fn new(path: impl Into<String>, kind: EntryKind) -> Self {
        Entry {
            path: path.into(),
            kind,
        }
    }
}

/// The type and content of a tree entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A folder.
    Dir,
    /// A file.
    File {
        /// The SHA-256 of its content.
        digest: Digest,
        /// The size in bytes.
        size: u64,
        /// Whether the owner's execute permission is set.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// The target path, as stored in the link.
        target: String,
    },
}

impl EntryKind {
    /// Returns the name of the type in data for programs: `folder`, `file` or `link`.
    pub fn word(&self) -> &'static str {
        match self {
            EntryKind::Dir => "folder",
            EntryKind::File { .. } => "file",
            EntryKind::Link { .. } => "link",
        }
    }
}

impl Serialize for Entry {
    /// Serializes an object with `path` and `kind` ([`EntryKind::word`]); for a file also `size_bytes`, `sha256` and, if it
    /// is executable, `executable`; for a link also `target`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut entry = to.serialize_map(None)?;
        entry.serialize_entry("path", &self.path)?;
        entry.serialize_entry("kind", self.kind.word())?;
        match &self.kind {
            EntryKind::Dir => {}
            EntryKind::File {
                digest,
                size,
                executable,
            } => {
                entry.serialize_entry("size_bytes", size)?;
                entry.serialize_entry("sha256", &digest.to_string())?;
                if *executable {
                    entry.serialize_entry("executable", &true)?;
                }
            }
            EntryKind::Link { target } => entry.serialize_entry("target", target)?,
        }
        entry.end()
    }
}

/// All entries of a tree except the root, sorted by the bytes of their paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest(Vec<Entry>);

impl Manifest {
    /// Creates a manifest from entries in any order.
    ///
    /// # Errors
    /// Fails on an invalid path or link target, on a duplicate path, and on a path whose parent folder is not an entry.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self> {
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        for pair in entries.windows(2) {
            if pair[0].path == pair[1].path {
                return Err(fault(&pair[0].path, "comes twice"));
            }
        }
        for entry in &entries {
            if let Err(why) = check_path(&entry.path) {
                return Err(fault(&entry.path, &why));
            }
            if let EntryKind::Link { target } = &entry.kind
                && let Err(why) = check_target(target)
            {
                return Err(fault(&entry.path, &why));
            }
            if let Some((parent, _)) = entry.path.rsplit_once('/') {
                let found = entries.binary_search_by(|other| other.path.as_str().cmp(parent));
                if !found.is_ok_and(|at| entries[at].kind == EntryKind::Dir) {
                    return Err(fault(&entry.path, "is in no folder of the tree"));
                }
            }
        }
        Ok(Manifest(entries))
    }

    /// Returns the entries, sorted by the bytes of their paths.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Computes the tree digest.
    pub fn digest(&self) -> TreeDigest {
        let mut folders: BTreeMap<&str, Folder<'_>> = BTreeMap::from([("", Folder::default())]);
        for entry in &self.0 {
            if entry.kind == EntryKind::Dir {
                folders.insert(&entry.path, Folder::default());
            }
        }
        for entry in &self.0 {
            let (parent, name) = split(&entry.path);
            let Some(folder) = folders.get_mut(parent) else {
                continue;
            };
            match &entry.kind {
                EntryKind::Dir => {}
                EntryKind::File {
                    digest,
                    size,
                    executable,
                } => folder
                    .files
                    .push((name, file_node(name, digest, *size, *executable))),
                EntryKind::Link { target } => folder.links.push((name, link_node(name, target))),
            }
        }
        // A folder sorts before its content, so popping from the end visits the content first.
        while let Some((path, folder)) = folders.pop_last() {
            let tree = folder.digest();
            if path.is_empty() {
                return tree;
            }
            let (parent, name) = split(path);
            if let Some(parent) = folders.get_mut(parent) {
                parent.folders.push((name, folder_node(name, &tree)));
            }
        }
        Folder::default().digest()
    }
}

/// A `Directory` message under construction: encoded nodes with their names.
#[derive(Default)]
struct Folder<'a> {
    files: Vec<(&'a str, Vec<u8>)>,
    folders: Vec<(&'a str, Vec<u8>)>,
    links: Vec<(&'a str, Vec<u8>)>,
}

impl Folder<'_> {
    fn digest(mut self) -> TreeDigest {
        let mut message = Vec::new();
        for (tag, nodes) in [
            (0x0a, &mut self.files),
            (0x12, &mut self.folders),
            (0x1a, &mut self.links),
        ] {
            nodes.sort_unstable_by_key(|(name, _)| *name);
            for (_, node) in nodes {
                field(&mut message, tag, node);
            }
        }
        TreeDigest {
            digest: Digest::of(&message),
            size: message.len() as u64,
        }
    }
}

fn file_node(name: &str, digest: &Digest, size: u64, executable: bool) -> Vec<u8> {
    let mut node = Vec::new();
    field(&mut node, 0x0a, name.as_bytes());
    field(&mut node, 0x12, &digest_message(digest, size));
    if executable {
        node.extend([0x20, 0x01]);
    }
    node
}

fn folder_node(name: &str, tree: &TreeDigest) -> Vec<u8> {
    let mut node = Vec::new();
    field(&mut node, 0x0a, name.as_bytes());
    field(&mut node, 0x12, &digest_message(&tree.digest, tree.size));
    node
}

fn link_node(name: &str, target: &str) -> Vec<u8> {
    let mut node = Vec::new();
    field(&mut node, 0x0a, name.as_bytes());
    field(&mut node, 0x12, target.as_bytes());
    node
}

fn digest_message(digest: &Digest, size: u64) -> Vec<u8> {
    let mut message = Vec::new();
    field(&mut message, 0x0a, digest.to_string().as_bytes());
    // proto3 omits default values.
    if size > 0 {
        message.push(0x10);
        varint(&mut message, size);
    }
    message
}

/// Appends a length-delimited field.
fn field(into: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    into.push(tag);
    varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// Splits a path into its folder, empty for the root, and its last name.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Checks whether a tree may contain this path. The error is a predicate that follows the path.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    let mut depth = 0;
    for name in path.split('/') {
        depth += 1;
        check_name(name)?;
    }
    if depth > MAX_DEPTH {
        return Err(format!(
            "is nested {depth} deep; the limit for an output is {MAX_DEPTH}"
        ));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    match name {
        "" | "." | ".." => Err(format!("contains the name {name:?}, which is not valid")),
        _ if name.len() > MAX_NAME => Err(format!(
            "has a name of {} bytes; the limit is {MAX_NAME}",
            name.len()
        )),
        _ if name.contains('\0') => Err("has a NUL in its name".to_owned()),
        _ => Ok(()),
    }
}

pub(crate) fn check_target(target: &str) -> Result<(), String> {
    if target.is_empty() || target.len() > MAX_TARGET || target.contains('\0') {
        return Err(format!(
            "is a link whose target is not 1 to {MAX_TARGET} bytes without NUL"
        ));
    }
    Ok(())
}

fn fault(path: &str, why: &str) -> Error {
    Error::new(ErrorKind::Store, format!("the entry {path:?} {why}"))
}
