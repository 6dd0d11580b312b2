//! Whether a link leads out of the artifacts that it is in.

use std::collections::HashMap;

use crate::store::tree::{EntryKind, Manifest};

/// How many links are followed on the way, as many as Linux follows.
const MOST: usize = 40;

/// The first link whose target may lie outside the tree.
///
/// Paths are followed through the links of the tree, because after one of them `..` leads somewhere else. From where
/// nothing is, names are only counted.
pub(in crate::store) fn leading_out(manifest: &Manifest) -> Option<&str> {
    let links: HashMap<&str, &str> = manifest
        .entries()
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Link { target } => Some((entry.path.as_str(), target.as_str())),
            _ => None,
        })
        .collect();
    manifest
        .entries()
        .iter()
        .map(|entry| entry.path.as_str())
        .find(|path| {
            links
                .get(path)
                .is_some_and(|target| !stays(&links, path, target))
        })
}

fn stays(links: &HashMap<&str, &str>, path: &str, target: &str) -> bool {
    let mut place: Vec<&str> = path.split('/').collect();
    place.pop();
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
                if place.pop().is_none() {
                    return false;
                }
            }
            name => {
                place.push(name);
                if let Some(target) = links.get(place.join("/").as_str()) {
                    followed += 1;
                    if followed > MOST {
                        // A loop leads nowhere.
                        return true;
                    }
                    place.pop();
                    next = Some(target);
                }
            }
        }
    }
}
