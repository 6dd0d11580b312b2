//! Where the paths of a tree lead, through its links.

use std::collections::HashMap;

use crate::store::object::scan::{Scanned, ScannedKind};
use crate::store::object::tree::{EntryKind, Manifest};

/// How many links are followed on the way, as many as Linux follows.
const MOST: usize = 40;

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// To something that is in the tree.
    There,
    /// To nothing.
    Nowhere,
    /// Out of the tree.
    Outside,
}

/// What an entry of a tree is, as far as paths go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort<'a> {
    Folder,
    File,
    /// A link with this target.
    Link(&'a str),
}

/// A tree, to follow paths in it.
pub(crate) struct Paths<'a> {
    /// The root first.
    nodes: Vec<Node<'a>>,
    links: Vec<Link<'a>>,
}

struct Node<'a> {
    sort: Sort<'a>,
    /// Nothing for the root.
    parent: Option<usize>,
    within: HashMap<&'a str, usize>,
}

/// A link of a tree.
#[derive(Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) path: &'a str,
    pub(crate) target: &'a str,
    /// The folder that it is in.
    folder: usize,
}

impl<'a> Paths<'a> {
    /// A tree of these entries, folders before what they hold.
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

    /// What a record tells of.
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

    /// What was found in a folder.
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

    /// Where a path from the root leads.
    pub(crate) fn lead(&self, path: &str) -> Lead {
        self.walk(0, path)
    }

    /// What the link at this path says, if there is one.
    pub(crate) fn target(&self, path: &str) -> Option<&'a str> {
        let found = self.links.iter().find(|link| link.path == path);
        found.map(|link| link.target)
    }

    /// The links that do not lead to something in the tree.
    pub(crate) fn astray(&self) -> impl Iterator<Item = (Link<'a>, Lead)> + '_ {
        self.links.iter().filter_map(|link| {
            let lead = self.walk(link.folder, link.target);
            (lead != Lead::There).then_some((*link, lead))
        })
    }

    /// Where `path` leads from the folder `at`, as the system follows it: each name but the last has to be that of a folder,
    /// and after a link `..` leads somewhere else. A step takes the same time however deep it is: targets may be made to be
    /// long.
    fn walk<'p>(&'p self, mut at: usize, path: &'p str) -> Lead {
        // What is still to be walked, the next name last.
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
                                // A loop leads nowhere.
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
