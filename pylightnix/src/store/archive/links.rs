//! Whether a link leads out of the artifacts that it is in.

use std::collections::HashMap;

use crate::store::tree::{EntryKind, Manifest};

/// How many links are followed on the way, as many as Linux follows.
const MOST: usize = 40;

/// A file, folder or link.
#[derive(Default)]
struct Node<'a> {
    within: HashMap<&'a str, usize>,
    /// What a link says.
    target: Option<&'a str>,
}

/// The first link whose target may lie outside the tree.
///
/// Paths are followed through the links of the tree, because after one of them `..` leads somewhere else. From where
/// nothing is, names are only counted. A step takes the same time however deep it is: targets may be made to be long.
pub(crate) fn leading_out(manifest: &Manifest) -> Option<&str> {
    let mut nodes = vec![Node::default()];
    let mut links = Vec::new();
    for entry in manifest.entries() {
        let mut place = Vec::new();
        let mut at = 0;
        // Folders come before what they hold.
        for name in entry.path.split('/') {
            place.push(Some(at));
            let next = nodes.len();
            at = *nodes[at].within.entry(name).or_insert(next);
            if at == next {
                nodes.push(Node::default());
            }
        }
        if let EntryKind::Link { target } = &entry.kind {
            nodes[at].target = Some(target);
            links.push((entry.path.as_str(), place, target.as_str()));
        }
    }
    links
        .into_iter()
        .find_map(|(path, place, target)| (!stays(&nodes, place, target)).then_some(path))
}

/// Whether `target` stays in the tree when it is followed from `place`: the folders from the tree itself down to where the
/// link is.
fn stays(nodes: &[Node<'_>], mut place: Vec<Option<usize>>, target: &str) -> bool {
    // What is still to be walked, the next name last.
    let mut names: Vec<&str> = Vec::new();
    let mut followed = 0;
    let mut next = Some(target);
    loop {
        if let Some(target) = next.take() {
            if target.starts_with('/') {
                return false;
            }
            names.extend(target.split('/').rev());
        }
        let Some(name) = names.pop() else {
            return true;
        };
        match name {
            "" | "." => {}
            ".." => {
                place.pop();
                if place.is_empty() {
                    return false;
                }
            }
            name => {
                let folder = place.last().copied().flatten();
                let found = folder.and_then(|at| nodes[at].within.get(name).copied());
                match found.and_then(|at| nodes[at].target) {
                    None => place.push(found),
                    target => {
                        followed += 1;
                        if followed > MOST {
                            // A loop leads nowhere.
                            return true;
                        }
                        next = target;
                    }
                }
            }
        }
    }
}
