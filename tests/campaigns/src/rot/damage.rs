//! Damage to a store.

use fastrand::Rng;
use pylightnix::config::RRefId;
use pylightnix::prelude::Result;
use pylightnix::store::{Fault, FaultKind};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::library::{Library, is_file};

/// The kind of object that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    File,
    Folder,
    Link,
    Record,
    Config,
    Build,
    Realization,
    Derivation,
    Root,
}

/// The kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    Flip,
    Truncate,
    Extend,
    Swap,
    Mode,
    Delete,
    Replace,
    Add,
}

impl What {
    pub(super) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl Harm {
    pub(super) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// Damage to one path, or to two swapped ones.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    pub(super) what: What,
    pub(super) harm: Harm,
    /// The path below the root of the store.
    pub(super) path: String,
    /// The other path of a swap.
    other: Option<String>,
    /// The realizations that are damaged by it.
    pub(super) rrefs: Vec<RRefId>,
    chance: u64,
}

impl Damage {
    /// Chooses damage that makes a difference.
    pub(super) fn choose(library: &Library, rng: &mut Rng) -> Self {
        loop {
            let what = [
                What::File,
                What::File,
                What::File,
                What::Folder,
                What::Link,
                What::Record,
                What::Config,
                What::Build,
                What::Realization,
                What::Derivation,
                What::Root,
            ][rng.usize(..11)];
            let harms: &[Harm] = match what {
                What::File => &[
                    Harm::Flip,
                    Harm::Truncate,
                    Harm::Extend,
                    Harm::Swap,
                    Harm::Mode,
                    Harm::Delete,
                    Harm::Replace,
                ],
                What::Folder => &[Harm::Mode, Harm::Delete, Harm::Replace, Harm::Add],
                What::Link => &[Harm::Delete, Harm::Replace],
                What::Record => &[
                    Harm::Flip,
                    Harm::Truncate,
                    Harm::Extend,
                    Harm::Swap,
                    Harm::Delete,
                ],
                What::Config => &[
                    Harm::Flip,
                    Harm::Truncate,
                    Harm::Extend,
                    Harm::Swap,
                    Harm::Delete,
                ],
                What::Build => &[Harm::Truncate],
                What::Realization => &[Harm::Swap, Harm::Delete, Harm::Add],
                What::Derivation => &[Harm::Delete, Harm::Add],
                What::Root => &[Harm::Flip, Harm::Truncate],
            };
            let harm = harms[rng.usize(..harms.len())];
            let (at, by) = (
                rng.usize(..library.rrefs.len()),
                rng.usize(..library.rrefs.len()),
            );
            let (rref, with) = (&library.rrefs[at], &library.rrefs[by]);
            let folder = Library::folder(rref);
            let paths: Vec<&String> = (library.before.iter())
                .filter(|(path, (mode, bytes))| {
                    let kind = mode & 0o170_000;
                    path.starts_with(&format!("{folder}/"))
                        && match what {
                            What::File => {
                                path.starts_with(&format!("{folder}/out/"))
                                    && is_file(*mode)
                                    && (!bytes.is_empty()
                                        || !matches!(harm, Harm::Flip | Harm::Truncate))
                            }
                            What::Folder => path.contains("/out") && kind == 0o040_000,
                            What::Link => kind == 0o120_000,
                            What::Build => path.ends_with(".json"),
                            _ => true,
                        }
                })
                .map(|(path, _)| path)
                .collect();
            let path = paths[rng.usize(..paths.len())].clone();
            let derivation = folder.rsplit_once('/').map_or("", |(dref, _)| dref);
            let swapped = |rest: &str| Some(format!("{}{rest}", Library::folder(with)));
            let (path, other) = match what {
                What::Record => (format!("{folder}/record"), swapped("/record")),
                What::Config => {
                    let with = Library::folder(with);
                    let with = with.rsplit_once('/').map_or("", |(dref, _)| dref);
                    (
                        format!("{derivation}/config.json"),
                        Some(format!("{with}/config.json")),
                    )
                }
                What::Realization => (folder.clone(), None),
                What::Derivation => (derivation.to_owned(), None),
                What::Root => ("roots/kept".to_owned(), None),
                _ => {
                    let rest = path.strip_prefix(&folder).unwrap_or_default().to_owned();
                    (path, swapped(&rest))
                }
            };
            let other = match (what, harm) {
                (What::Realization, Harm::Swap) => swapped(""),
                (_, Harm::Swap) => other,
                _ => None,
            };
            let path = match harm {
                Harm::Add => format!("{path}/added"),
                _ => path,
            };
            let bytes = |path: &String| library.before.get(path).map(|(_, bytes)| bytes);
            if let Some(other) = &other
                && (*other == path || what != What::Realization && bytes(other) == bytes(&path))
            {
                continue;
            }
            // A missing object without dependents cannot be detected.
            if matches!(
                (what, harm),
                (What::Realization | What::Derivation, Harm::Delete)
            ) && library.dependents(rref).is_empty()
            {
                continue;
            }
            let mut rrefs = vec![rref.clone()];
            rrefs.extend(other.is_some().then(|| with.clone()));
            if what == What::Root {
                rrefs.clear();
            }
            return Damage {
                what,
                harm,
                path,
                other,
                rrefs,
                chance: rng.u64(..),
            };
        }
    }

    /// Returns whether both concern the same realization, or whether one hides the other.
    pub(super) fn touches(&self, other: &Damage, library: &Library) -> bool {
        self.path == other.path
            || self.rrefs.iter().any(|rref| other.rrefs.contains(rref))
            || self.is_hidden_by(other, library)
            || other.is_hidden_by(self, library)
    }

    /// A missing object is detected only through the records of its dependents.
    fn is_hidden_by(&self, other: &Damage, library: &Library) -> bool {
        self.harm == Harm::Delete
            && matches!(self.what, What::Realization | What::Derivation)
            && matches!(
                other.what,
                What::Record | What::Realization | What::Derivation
            )
            && (other.rrefs.iter()).any(|rref| {
                self.rrefs
                    .iter()
                    .any(|from| library.is_made_from(rref, from))
            })
    }

    pub(super) fn inflict(&self, library: &Library) -> Result<()> {
        let path = library.root.join(&self.path);
        let folder = path.parent().unwrap_or(&path);
        // Root may write everywhere; other users need write permission to read-only folders.
        let locked = fs::metadata(folder)?.permissions();
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
        self.harm_it(library, &path)?;
        fs::set_permissions(folder, locked)?;
        Ok(())
    }

    fn harm_it(&self, library: &Library, path: &Path) -> Result<()> {
        let chance = usize::try_from(self.chance >> 8)?;
        match self.harm {
            Harm::Flip => {
                let mut bytes = fs::read(path)?;
                let at = chance % bytes.len();
                bytes[at] ^= 1 << (self.chance % 8);
                overwrite(path, &bytes)?;
            }
            Harm::Truncate => {
                let mut bytes = fs::read(path)?;
                bytes.truncate(chance % bytes.len());
                if self.what == What::Build {
                    // Without the last brace it is not valid JSON.
                    bytes.truncate(bytes.len().saturating_sub(2));
                }
                overwrite(path, &bytes)?;
            }
            Harm::Extend => {
                let mut bytes = fs::read(path)?;
                bytes.extend(std::iter::repeat_n(b'\n', 1 + chance % 5000));
                overwrite(path, &bytes)?;
            }
            Harm::Swap => {
                let other = library.root.join(self.other.as_deref().unwrap_or_default());
                let folder = other.parent().unwrap_or(&other);
                let locked = fs::metadata(folder)?.permissions();
                fs::set_permissions(folder, Permissions::from_mode(0o755))?;
                let between = library.root.join("between");
                fs::rename(path, &between)?;
                fs::rename(&other, path)?;
                fs::rename(&between, &other)?;
                fs::set_permissions(folder, locked)?;
            }
            Harm::Mode => {
                let mode = fs::symlink_metadata(path)?.permissions().mode();
                let bit = [0o200, 0o002, 0o020, 0o4000, 0o1000][chance % 5];
                fs::set_permissions(path, Permissions::from_mode((mode & 0o7777) | bit))?;
            }
            Harm::Delete => remove(path)?,
            Harm::Replace => {
                let kind = fs::symlink_metadata(path)?.file_type();
                remove(path)?;
                if kind.is_symlink() {
                    symlink("elsewhere", path)?;
                } else if kind.is_dir() || chance % 2 == 0 {
                    symlink("/etc", path)?;
                } else {
                    fs::create_dir(path)?;
                }
            }
            Harm::Add if chance % 2 == 0 => fs::create_dir(path)?,
            Harm::Add => fs::write(path, "added")?,
        }
        Ok(())
    }

    /// Returns whether a check should report this damage as this fault.
    pub(super) fn is_told_by(&self, library: &Library, fault: &Fault) -> bool {
        let path = library.root.join(&self.path);
        let kinds: &[FaultKind] = match (self.what, self.harm) {
            (What::Realization | What::Derivation, Harm::Add) => &[FaultKind::Unexpected],
            (What::Realization | What::Derivation, Harm::Delete) => {
                let told = |rref| {
                    self.rrefs
                        .iter()
                        .any(|from| library.is_made_from(rref, from))
                };
                return fault.kind == FaultKind::Context && fault.rref.as_ref().is_some_and(told);
            }
            (What::File | What::Folder, Harm::Mode) => &[FaultKind::Mode],
            (What::File | What::Folder | What::Link, _) => &[FaultKind::Artifact],
            (What::Record, _) => &[FaultKind::Record],
            (What::Realization, _) => {
                let told = fault.rref.as_ref() == self.rrefs.first();
                return fault.kind == FaultKind::Record && told;
            }
            (What::Config, _) => &[FaultKind::Config],
            (What::Build, _) => &[FaultKind::BuildRecord],
            (What::Root, _) => &[FaultKind::Root],
            (What::Derivation, _) => &[],
        };
        kinds.contains(&fault.kind) && fault.path == path
    }

    /// Returns the dependents that the fault should list.
    pub(super) fn dependents(&self, library: &Library) -> Option<BTreeSet<RRefId>> {
        let rref = self.rrefs.first()?;
        match (self.what, self.harm) {
            (What::File | What::Folder | What::Link, _) | (What::Build, _) => {
                Some(library.dependents(rref))
            }
            (What::Record, harm) if harm != Harm::Swap => Some(library.dependents(rref)),
            (What::Config, harm) if harm != Harm::Swap => {
                let mut all = library.dependents(rref);
                all.insert(rref.clone());
                Some(all)
            }
            _ => None,
        }
    }

    /// Returns whether no store has a copy, not even the peer.
    pub(super) fn has_no_copy(&self) -> bool {
        self.what == What::Root || self.harm == Harm::Add && self.what != What::Folder
    }

    /// Returns whether only another store has a copy.
    pub(super) fn needs_peer(&self) -> bool {
        matches!(
            self.what,
            What::Build | What::Config | What::Record | What::Realization | What::Derivation
        )
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.harm.name(), self.path)?;
        match &self.other {
            Some(other) => write!(f, " with {other} [{}]", self.chance),
            None => write!(f, " [{}]", self.chance),
        }
    }
}

/// Overwrites a file regardless of its permissions, and keeps its mode.
fn overwrite(path: &Path, bytes: &[u8]) -> Result<()> {
    let mode = fs::metadata(path)?.permissions();
    fs::set_permissions(path, Permissions::from_mode(0o644))?;
    fs::write(path, bytes)?;
    fs::set_permissions(path, mode)?;
    Ok(())
}

/// Removes anything, including read-only folders.
pub(super) fn remove(path: &Path) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.is_dir() {
        fs::remove_file(path)?;
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(path)? {
        remove(&entry?.path())?;
    }
    fs::remove_dir(path)?;
    Ok(())
}
