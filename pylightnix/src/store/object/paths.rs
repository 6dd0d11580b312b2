//! Resolving paths through the symbolic links of a tree.

use std::collections::HashMap;

use crate::store::object::scan::{Scanned, ScannedKind};
use crate::store::object::tree::{EntryKind, Manifest};

/// Maximum number of links followed, as in Linux.
const MOST: usize = 40;

/// What a path resolves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// An entry of the tree.
    There,
    /// Nothing.
    Nowhere,
    /// A path outside of the tree.
    Outside,
}

/// The kind of a tree entry, for path resolution.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort<'a> {
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
    sort: Sort<'a>,
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
    pub(crate) fn new(entries: impl IntoIterator<Item = (&'a str, Sort<'a>)>) -> Self {
        let root = Node {
            sort: Sort::Folder,
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
            if let Sort::Link(target) = sort {
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
                EntryKind::Dir => Sort::Folder,
                EntryKind::File { .. } => Sort::File,
                EntryKind::Link { target } => Sort::Link(target),
            };
            (entry.path.as_str(), sort)
        }))
    }

    /// Builds the tree of a scanned folder.
    pub(crate) fn found<F>(found: &'a [Scanned<F>]) -> Self {
        Self::new(found.iter().map(|entry| {
            let sort = match &entry.kind {
                ScannedKind::Dir => Sort::Folder,
                ScannedKind::File(_) => Sort::File,
                ScannedKind::Link { target } => Sort::Link(target),
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
    pub(crate) fn lead(&self, path: &str) -> Lead {
        self.walk(0, path)
    }

    /// Returns the target of the link at this path, or `None` if it is not a link.
    pub(crate) fn target(&self, path: &str) -> Option<&'a str> {
        let found = self.links.iter().find(|link| link.path == path);
        found.map(|link| link.target)
    }

    /// Iterates over the links that do not resolve to an entry of the tree.
    pub(crate) fn astray(&self) -> impl Iterator<Item = (Link<'a>, Lead)> + '_ {
        self.links.iter().filter_map(|link| {
            let lead = self.walk(link.folder, link.target);
            (lead != Lead::There).then_some((*link, lead))
        })
    }

    /// Resolves `path` from the folder `at` as the kernel does: every name but the last has to be a folder, and `..` after a
    /// link is relative to the link's target. Each step takes constant time, as hostile targets may be very long.
    fn walk<'p>(&'p self, mut at: usize, path: &'p str) -> Lead {
        // A stack of the remaining names, the next one last.
        let mut names: Vec<&'p str> = Vec::new();
        let mut followed = 0;
        let mut next = Some(path);
        loop {
            if let Some(path) = next.take() {
                if path.starts_with('/') {
                    return Lead::Outside;
                }
                names.extend(path.split('/').rev());
            }
            let Some(name) = names.pop() else {
                return Lead::There;
            };
            let node = &self.nodes[at];
            if node.sort != Sort::Folder {
                return Lead::Nowhere;
            }
            match name {
                "" | "." => {}
                ".." => match node.parent {
                    Some(parent) => at = parent,
                    None => return Lead::Outside,
                },
                name => match node.within.get(name) {
                    None => return Lead::Nowhere,
                    Some(found) => match self.nodes[*found].sort {
                        Sort::Link(target) => {
                            followed += 1;
                            if followed > MOST {
                                // A cycle of links resolves to nothing.
                                return Lead::Nowhere;
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
