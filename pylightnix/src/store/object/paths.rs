//! Resolving paths through the symbolic links of a tree.

use std::collections::HashMap;

use crate::store::object::scan::{Scanned, ScannedKind};
use crate::store::object::tree::{EntryKind, Manifest};

/// Maximum number of links followed, as in Linux.
const MAX_LINKS: usize = 40;

/// What a path resolves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// An entry of the tree.
    Inside,
    /// Nothing.
    Missing,
    /// A path outside of the tree.
    Outside,
}

/// The kind of a tree entry, for path resolution.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind<'a> {
    Folder,
    File,
    /// A symbolic link and its target.
    Link(&'a str),
}

/// A tree in which paths can be resolved.
pub(crate) struct Paths<'a> {
    /// The nodes; the root comes first.
    nodes: Vec<Node<'a>>,
    links: Vec<Link<'a>>,
}

struct Node<'a> {
    sort: NodeKind<'a>,
    /// The parent folder; `None` for the root.
    parent: Option<usize>,
    within: HashMap<&'a str, usize>,
}

/// A symbolic link of a tree.
#[derive(Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) path: &'a str,
    pub(crate) target: &'a str,
    /// The folder that contains the link.
    folder: usize,
}

impl<'a> Paths<'a> {
    /// Builds a tree from entries; a folder has to come before its content.
    pub(crate) fn new(entries: impl IntoIterator<Item = (&'a str, NodeKind<'a>)>) -> Self {
        let root = Node {
            sort: NodeKind::Folder,
            parent: None,
            within: HashMap::new(),
        };
        let mut paths = Paths {
            nodes: vec![root],
            links: Vec::new(),
        };
        let entries = entries.into_iter();
        paths.nodes.reserve(entries.size_hint().0);
        for (path, sort) in entries {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(folder) = paths.folder(folder) else {
                continue;
            };
            let new = paths.nodes.len();
            paths.nodes.push(Node {
                sort,
                parent: Some(folder),
                within: HashMap::new(),
            });
            paths.nodes[folder].within.insert(name, new);
            if let NodeKind::Link(target) = sort {
                paths.links.push(Link {
                    path,
                    target,
                    folder,
                });
            }
        }
        paths
    }

    /// Builds the tree of a manifest.
    pub(crate) fn of(manifest: &'a Manifest) -> Self {
        Self::new(manifest.entries().iter().map(|entry| {
            let sort = match &entry.kind {
                EntryKind::Dir => NodeKind::Folder,
                EntryKind::File { .. } => NodeKind::File,
                EntryKind::Link { target } => NodeKind::Link(target),
            };
            (entry.path.as_str(), sort)
        }))
    }

    /// Builds the tree of a scanned folder.
    pub(crate) fn found<F>(found: &'a [Scanned<F>]) -> Self {
        Self::new(found.iter().map(|entry| {
            let sort = match &entry.kind {
                ScannedKind::Dir => NodeKind::Folder,
                ScannedKind::File(_) => NodeKind::File,
                ScannedKind::Link { target } => NodeKind::Link(target),
            };
            (entry.path.as_str(), sort)
        }))
    }

    fn folder(&self, path: &str) -> Option<usize> {
        let mut at = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = *self.nodes[at].within.get(name)?;
        }
        Some(at)
    }

    /// Resolves a path from the root.
    pub(crate) fn resolve(&self, path: &str) -> Resolved {
        self.walk(0, path)
    }

    /// Returns the target of the link at this path, or `None` if it is not a link.
    pub(crate) fn target(&self, path: &str) -> Option<&'a str> {
        let found = self.links.iter().find(|link| link.path == path);
        found.map(|link| link.target)
    }

    /// Iterates over the links that do not resolve to an entry of the tree.
    pub(crate) fn broken_links(&self) -> impl Iterator<Item = (Link<'a>, Resolved)> + '_ {
        self.links.iter().filter_map(|link| {
            let lead = self.walk(link.folder, link.target);
            (lead != Resolved::Inside).then_some((*link, lead))
        })
    }

    /// Resolves `path` from the folder `at` as the kernel does: every name but the last has to be a folder, and `..` after a
    /// link is relative to the link's target. Each step takes constant time, as hostile targets may be very long.
    fn walk<'p>(&'p self, mut at: usize, path: &'p str) -> Resolved {
        // A stack of the remaining names, the next one last.
        let mut names: Vec<&'p str> = Vec::new();
        let mut followed = 0;
        let mut next = Some(path);
        loop {
            if let Some(path) = next.take() {
                if path.starts_with('/') {
                    return Resolved::Outside;
                }
                names.extend(path.split('/').rev());
            }
            let Some(name) = names.pop() else {
                return Resolved::Inside;
            };
            let node = &self.nodes[at];
            if node.sort != NodeKind::Folder {
                return Resolved::Missing;
            }
            match name {
                "" | "." => {}
                ".." => match node.parent {
                    Some(parent) => at = parent,
                    None => return Resolved::Outside,
                },
                name => match node.within.get(name) {
                    None => return Resolved::Missing,
                    Some(found) => match self.nodes[*found].sort {
                        NodeKind::Link(target) => {
                            followed += 1;
                            if followed > MAX_LINKS {
                                // A cycle of links resolves to nothing.
                                return Resolved::Missing;
                            }
                            next = Some(target);
                        }
                        _ => at = *found,
                    },
                },
            }
        }
    }
}
