//! The store to damage, and its original content.

use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::Result;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

use super::damage::{Damage, Harm, What};

/// The mode of each path, with its content or its link target.
pub(super) type Snapshot = BTreeMap<String, (u32, Vec<u8>)>;

pub(super) struct Library {
    _folder: TempDir,
    pub(super) root: PathBuf,
    /// A copy of the store.
    pub(super) peer: Store,
    /// Dependencies first: a; b and c, made from a; d, made from both; a twin of a with the same files; and an independent
    /// one.
    pub(super) rrefs: Vec<RRefId>,
    /// The dependencies of each.
    on: Vec<Vec<usize>>,
    /// The original `store-v1` and `roots`.
    pub(super) before: Snapshot,
}

impl Library {
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        let root = folder.path().join("store");
        let store = Store::open(&root)?.with_durability(Durability::None);
        let on = vec![vec![], vec![0], vec![0], vec![1, 2], vec![], vec![]];
        let mut rrefs: Vec<RRefId> = Vec::new();
        for (at, on) in on.iter().enumerate() {
            let on: Vec<&RRefId> = on.iter().map(|dep| &rrefs[*dep]).collect();
            // The fifth has the same files as the first.
            rrefs.push(publish(&store, at, &on, if at == 4 { 0 } else { at })?);
        }
        store.add_root("kept", &rrefs[3])?;
        let peer = Store::open(folder.path().join("peer"))?.with_durability(Durability::None);
        peer.copy_from(&store, &rrefs)?;
        drop(store);
        let before = snapshot(&root)?;
        Ok(Library {
            _folder: folder,
            root,
            peer,
            rrefs,
            on,
            before,
        })
    }

    /// Returns the path of a realization's folder below the root.
    pub(super) fn folder(rref: &RRefId) -> String {
        let dref = rref.dref().to_string();
        let text = rref.to_string();
        let (dref, text) = (&dref["dref:".len()..], &text["rref:".len()..]);
        format!("store-v1/{dref}/{}", &text[..32])
    }

    /// Returns all direct and indirect dependents.
    pub(super) fn dependents(&self, rref: &RRefId) -> BTreeSet<RRefId> {
        let mut found = BTreeSet::from([rref.clone()]);
        for (at, on) in self.on.iter().enumerate() {
            if on.iter().any(|dep| found.contains(&self.rrefs[*dep])) {
                found.insert(self.rrefs[at].clone());
            }
        }
        found.remove(rref);
        found
    }

    pub(super) fn is_made_from(&self, rref: &RRefId, from: &RRefId) -> bool {
        let at = self.rrefs.iter().position(|other| other == rref);
        at.is_some_and(|at| self.on[at].iter().any(|dep| self.rrefs[*dep] == *from))
    }

    /// Returns the realizations that cannot be restored from the current content of this store.
    pub(super) fn without_copy(&self, damages: &[Damage]) -> Result<BTreeSet<RRefId>> {
        let now = snapshot(&self.root)?;
        let record_of = |rref: &RRefId| format!("{}/record", Self::folder(rref));
        let has_record = |rref: &RRefId| {
            let path = record_of(rref);
            now.get(&path).map(|(_, bytes)| bytes) == self.before.get(&path).map(|(_, bytes)| bytes)
        };
        // Files are searched only where a record lists them.
        let mut bytes: BTreeSet<&[u8]> = BTreeSet::new();
        for rref in self.rrefs.iter().filter(|rref| has_record(rref)) {
            let out = format!("{}/out/", Self::folder(rref));
            for (path, (mode, before)) in self.before.range(out.clone()..) {
                if !path.starts_with(&out) {
                    break;
                }
                if let Some((now_mode, now)) = now.get(path)
                    && is_file(*mode)
                    && is_file(*now_mode)
                    && now == before
                {
                    bytes.insert(now);
                }
            }
        }
        let mut lost = BTreeSet::new();
        for rref in damages.iter().flat_map(|damage| &damage.rrefs) {
            let out = format!("{}/out/", Self::folder(rref));
            let files = self.before.range(out.clone()..);
            let mut files = files.take_while(|(path, _)| path.starts_with(&out));
            let lacks = |(mode, before): &(u32, Vec<u8>)| {
                is_file(*mode) && !bytes.contains(before.as_slice())
            };
            if !has_record(rref) || files.any(|(_, entry)| lacks(entry)) {
                lost.insert(rref.clone());
            }
        }
        Ok(lost)
    }

    /// Returns whether the record and the artifacts of a realization are unchanged. Ignores build records.
    pub(super) fn is_as_it_was(&self, rref: &RRefId) -> bool {
        let folder = self.root.join(Self::folder(rref));
        let out = format!("{}/", Self::folder(rref));
        let Ok(now) = snapshot_below(&self.root, &folder) else {
            return false;
        };
        let counts = |path: &str| !path.contains("/build-");
        let before = self.before.range(out.clone()..);
        let mut before = (before.take_while(|(path, _)| path.starts_with(&out)))
            .filter(|(path, _)| counts(path));
        let mut now = now
            .iter()
            .filter(|(path, _)| counts(path) && !path.contains("/added"));
        loop {
            match (before.next(), now.next()) {
                (None, None) => return true,
                (before, now) if before != now => return false,
                _ => {}
            }
        }
    }

    /// Undoes the damage that no other store can repair: roots, additional files that nothing looks for, and build records
    /// that were swapped together with their whole realization, which is undetectable.
    pub(super) fn bring_back_what_has_no_copy(&self, damages: &[Damage]) -> Result<()> {
        for damage in damages {
            if damage.what == What::Root {
                if let Some((_, bytes)) = self.before.get(&damage.path) {
                    fs::write(self.root.join(&damage.path), bytes)?;
                }
            } else if damage.harm == Harm::Add {
                super::damage::remove(&self.root.join(&damage.path))?;
            } else if damage.what == What::Realization {
                for path in snapshot(&self.root)?.into_keys() {
                    if path.contains("/build-") && !self.before.contains_key(&path) {
                        fs::remove_file(self.root.join(path))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns a path that differs from the original, if there is one.
    pub(super) fn difference(&self) -> Result<Option<String>> {
        let now = snapshot(&self.root)?;
        let paths: BTreeSet<&String> = now.keys().chain(self.before.keys()).collect();
        let mut differ =
            (paths.into_iter()).filter(|path| now.get(*path) != self.before.get(*path));
        Ok(differ.next().cloned())
    }
}

/// Publishes files of many kinds and sizes; `content` distinguishes them.
fn publish(store: &Store, at: usize, on: &[&RRefId], content: usize) -> Result<RRefId> {
    let lines: String = (on.iter().enumerate())
        .map(|(at, dep)| format!(",\n    \"on{at}\": \"{}\"", dep.dref()))
        .collect();
    let config = ConfigJson::from_json(&format!("{{\n    \"name\": \"book-{at}\"{lines}\n}}"))?;
    let mut draft = store.plumbing().draft()?;
    let out = draft.out().to_owned();
    fs::create_dir_all(out.join("shelf/deep"))?;
    fs::create_dir(out.join("none"))?;
    fs::write(out.join("empty"), "")?;
    fs::write(out.join("title"), format!("title {content}\n"))?;
    fs::write(
        out.join("shelf/text"),
        format!("text of {content}\n").repeat(500),
    )?;
    fs::write(out.join("shelf/deep/end"), [content as u8; 4096])?;
    fs::write(out.join("run.sh"), format!("#!/bin/sh\necho {content}\n"))?;
    fs::set_permissions(out.join("run.sh"), fs::Permissions::from_mode(0o755))?;
    symlink("shelf/text", out.join("link"))?;
    fs::write(draft.log(), "it went well\n")?;
    let context: Context = on.iter().map(|rref| (*rref).clone()).collect();
    let build = BuildRecord::now(BuildKind::Build);
    Ok(draft.publish(&config, &context, Outcome::Ok, &build)?.id)
}

pub(super) fn is_file(mode: u32) -> bool {
    mode & 0o170_000 == 0o100_000
}

/// Takes a snapshot of the published objects and the roots.
fn snapshot(root: &Path) -> Result<Snapshot> {
    let mut found = snapshot_below(root, &root.join("store-v1"))?;
    found.extend(snapshot_below(root, &root.join("roots"))?);
    Ok(found)
}

fn snapshot_below(root: &Path, folder: &Path) -> Result<Snapshot> {
    let prefix = folder.strip_prefix(root)?.display().to_string();
    let found = tests::store::snapshot(folder);
    Ok((found.into_iter())
        .map(|(path, entry)| (format!("{prefix}/{path}"), entry))
        .collect())
}
