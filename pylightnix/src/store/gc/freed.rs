//! How much space removing realizations frees: a file that several of them share is freed with the last one.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::config::RRefId;
use crate::store::Store;
use crate::store::disk::entries::entries;
use crate::store::disk::parallel;
use crate::store::known::survey::{Survey, Surveyed};
use crate::store::object::tree::TreeDigest;

/// The realizations of a survey that are still there, and what removing each of them would free.
///
/// Only files that realizations of one derivation share are known: carrying makes no other hard links in a store.
#[derive(Clone)]
pub(in crate::store) struct Freed<'a> {
    survey: &'a Survey,
    /// The shared files of a realization, as positions in `files` with the number of names there.
    of: HashMap<usize, Vec<(usize, u64)>>,
    files: Vec<SharedFile>,
}

/// A file with several hard links.
#[derive(Clone)]
struct SharedFile {
    /// The number of names that are left, wherever they are.
    names: u64,
    bytes: u64,
}

/// The files with several hard links in a realization, by device and inode: the number of names in it, of all names, and the size.
type Linked = HashMap<(u64, u64), (u64, SharedFile)>;

impl<'a> Freed<'a> {
    /// Looks at the files of realizations that may share some: those of one derivation with the same artifacts.
    pub(in crate::store) fn of(store: &Store, survey: &'a Survey) -> Result<Self> {
        let like = alike(survey);
        let found = parallel::map(&like, parallel::cores(), |_, at| {
            Ok(linked(store, &survey.found[*at].id))
        })?;
        let mut freed = Freed {
            survey,
            of: HashMap::new(),
            files: Vec::new(),
        };
        let mut known: HashMap<(u64, u64), usize> = HashMap::new();
        for (at, linked) in like.into_iter().zip(found) {
            for (inode, (here, file)) in linked {
                let number = *known.entry(inode).or_insert_with(|| {
                    freed.files.push(file);
                    freed.files.len() - 1
                });
                freed.of.entry(at).or_default().push((number, here));
            }
        }
        Ok(freed)
    }

    pub(in crate::store) fn survey(&self) -> &'a Survey {
        self.survey
    }

    /// Returns how many bytes removing a realization would free now.
    pub(in crate::store) fn bytes(&self, at: usize) -> u64 {
        let all = self.survey.found[at].bytes;
        let shared = self.of.get(&at).into_iter().flatten();
        let stay = shared.map(|(number, here)| {
            let SharedFile { names, bytes } = &self.files[*number];
            // Of the names here, one counts if there is no other.
            bytes * (here - u64::from(names <= here))
        });
        all.saturating_sub(stay.sum())
    }

    /// Removes a realization, and returns how many bytes that frees.
    pub(in crate::store) fn take(&mut self, at: usize) -> u64 {
        let bytes = self.bytes(at);
        for (number, here) in self.of.get(&at).into_iter().flatten() {
            let names = &mut self.files[*number].names;
            *names = names.saturating_sub(*here);
        }
        bytes
    }
}

/// Returns the realizations that may share files with others.
fn alike(survey: &Survey) -> Vec<usize> {
    let mut like = Vec::new();
    for (_, range) in survey.drefs.iter().filter(|(_, range)| range.len() > 1) {
        let mut by_tree: HashMap<TreeDigest, Vec<usize>> = HashMap::new();
        for at in range.clone() {
            let Surveyed { tree, .. } = &survey.found[at];
            if let Some(tree) = tree {
                by_tree.entry(*tree).or_default().push(at);
            }
        }
        like.extend(by_tree.into_values().filter(|all| all.len() > 1).flatten());
    }
    like
}

/// Returns the artifacts that have several hard links. What cannot be looked at counts as a file of its own.
fn linked(store: &Store, id: &RRefId) -> Linked {
    let mut linked = Linked::new();
    let mut folders = vec![store.out_dir(id)];
    while let Some(folder) = folders.pop() {
        folders.extend(look_into(&folder, &mut linked).unwrap_or_default());
    }
    linked
}

/// Returns the folders in a folder.
fn look_into(folder: &Path, linked: &mut Linked) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in entries(folder)? {
        let path = entry?.path();
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => folders.push(path),
            Ok(found) if found.is_file() && found.nlink() > 1 => {
                let file = SharedFile {
                    names: found.nlink(),
                    bytes: found.len(),
                };
                let (here, _) = linked
                    .entry((found.dev(), found.ino()))
                    .or_insert((0, file));
                *here += 1;
            }
            _ => {}
        }
    }
    Ok(folders)
}
