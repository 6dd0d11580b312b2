//! What a remote has, for people and programs.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::index::RemoteIndex;
use super::line::RealizationLine;
use super::objects::Remote;
use crate::config::{Digest, RRefId};
use crate::store::Store;
use crate::store::object::build_record::BuildKind;
use crate::store::object::record::Outcome;
use crate::store::using::roots::check_characters;
use crate::{Error, ErrorKind, Result};

/// The folder of roots.
const ROOT: &str = "root";
/// The most bytes of a root.
const MOST_IN_ROOT: u64 = 64 << 20;

/// A realization at a remote, as the index has it: nothing of this is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RemoteRealization {
    /// The reference.
    pub rref: RRefId,
    /// Whether the build succeeded.
    pub outcome: Outcome,
    /// The bytes of its artifacts.
    #[serde(rename = "size_bytes")]
    pub size: u64,
    /// When its newest build began, or the newest import or acceptance if there is no build.
    #[serde(serialize_with = "crate::as_text::known_time")]
    pub time: Option<Timestamp>,
    /// The number of builds, imports and acceptances.
    pub builds: usize,
}

/// A root at a remote: a name for realizations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RemoteRoot {
    /// The name.
    pub name: String,
    /// The realizations that it keeps, sorted.
    pub rrefs: Vec<RRefId>,
    /// When it was put, by the clock of who put it.
    #[serde(serialize_with = "crate::as_text::known_time")]
    pub time: Option<Timestamp>,
}

/// Returns the name of the object of a root.
pub(super) fn root_name(name: &str) -> String {
    format!("{ROOT}/{name}")
}

/// Returns the content of a root that is put now.
pub(super) fn root_text(rrefs: &[RRefId]) -> String {
    let rrefs: BTreeSet<&RRefId> = rrefs.iter().collect();
    let lines = rrefs.iter().map(|rref| format!("{rref}\n"));
    format!("# {}\n{}", Timestamp::now(), lines.collect::<String>())
}

impl RemoteRoot {
    /// Parses the content of a root; `None` if it is none. Lines that begin with `#` are remarks; the first is the time.
    pub(super) fn parse(name: &str, bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (remarks, lines): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with('#'));
        let rrefs = lines.into_iter().map(|line| line.parse().ok());
        let time = remarks.first().and_then(|line| line.strip_prefix("# "));
        Some(RemoteRoot {
            name: name.to_owned(),
            rrefs: rrefs.collect::<Option<_>>()?,
            time: time.and_then(|time| time.parse().ok()),
        })
    }
}

impl RemoteRealization {
    fn of(lines: &[RealizationLine]) -> Option<Self> {
        let first = lines.first()?;
        let mut builds: Vec<_> = lines.iter().flat_map(|line| &line.builds).collect();
        builds.sort_unstable_by_key(|build| build.id);
        builds.dedup_by_key(|build| build.id);
        let newest = |is_wanted: &dyn Fn(BuildKind) -> bool| {
            let wanted = builds.iter().filter(|build| is_wanted(build.kind));
            wanted.filter_map(|build| build.start.parse().ok()).max()
        };
        Some(RemoteRealization {
            rref: first.rref.clone(),
            outcome: first.outcome,
            size: first.size,
            time: newest(&|kind| kind == BuildKind::Build).or_else(|| newest(&|_| true)),
            builds: builds.len(),
        })
    }
}

impl Remote {
    /// Lists the realizations of the index, sorted. Segments that were read before are taken from the cache of `store`.
    ///
    /// # Errors
    /// Fails if there is no remote, or if it cannot be reached.
    pub fn realizations(&self, store: Option<&Store>) -> Result<Vec<RemoteRealization>> {
        let index = RemoteIndex::read_made(self, store)?;
        let mut found: Vec<RemoteRealization> = index
            .realizations
            .values()
            .filter_map(|lines| RemoteRealization::of(lines))
            .collect();
        found.sort_unstable_by(|a, b| (a.rref.dref(), &a.rref).cmp(&(b.rref.dref(), &b.rref)));
        Ok(found)
    }

    /// Lists the roots, sorted by name: one request for the list and one for each.
    ///
    /// # Errors
    /// Fails if the remote cannot be listed, as a web server, or cannot be reached.
    pub fn roots(&self) -> Result<Vec<RemoteRoot>> {
        let Some(objects) = self.list(ROOT)? else {
            let text = format!("the roots of the remote {} cannot be listed", self.url());
            return Err(Error::new(ErrorKind::Remote, text)
                .with_help("ask for a root by its name: `pull NAME`"));
        };
        let mut roots = Vec::new();
        for object in objects {
            let Some(name) = object.name.strip_prefix("root/") else {
                continue;
            };
            if check_characters(name).is_ok() {
                roots.extend(self.read_root(name)?.map(|(root, ..)| root));
            }
        }
        Ok(roots)
    }

    /// Returns the realizations of a root; `None` if there is no root of this name.
    ///
    /// # Errors
    /// Fails if the remote cannot be reached, or if what is there is no root.
    pub fn root(&self, name: &str) -> Result<Option<Vec<RRefId>>> {
        check_characters(name)?;
        Ok(self.read_root(name)?.map(|(root, ..)| root.rrefs))
    }

    /// Reads a root, with the digest and the length of its content.
    pub(super) fn read_root(&self, name: &str) -> Result<Option<(RemoteRoot, Digest, u64)>> {
        let object = root_name(name);
        let Some(bytes) = self.read(&object, MOST_IN_ROOT)? else {
            return Ok(None);
        };
        let root = RemoteRoot::parse(name, &bytes);
        let root = root.ok_or_else(|| self.refused(&object, "is no list of references"))?;
        Ok(Some((root, Digest::of(&bytes), bytes.len() as u64)))
    }

    /// Removes a root. Returns `false` if there is none of this name. What it kept stays until garbage is collected there.
    ///
    /// # Errors
    /// Fails if the remote cannot be reached or written.
    pub fn remove_root(&self, name: &str) -> Result<bool> {
        check_characters(name)?;
        let object = root_name(name);
        let is_there = self.size(&object)?.is_some();
        if is_there {
            self.delete(&object)?;
        }
        Ok(is_there)
    }

    /// Returns the realizations that words stand for: references or their beginnings, names of stages, for the newest successful result of
    /// each, and names of roots.
    ///
    /// # Errors
    /// Fails if a word stands for nothing ([`ErrorKind::Missing`]), or for several; if there is no remote, or if it cannot be reached.
    pub fn refer(&self, store: Option<&Store>, words: &[String]) -> Result<Vec<RRefId>> {
        let all = self.realizations(store)?;
        let mut found = Vec::new();
        for word in words {
            match named(&all, word)? {
                Some(rref) => found.push(rref),
                None => {
                    let root = match check_characters(word) {
                        Ok(()) => self.root(word)?,
                        Err(_) => None,
                    };
                    found.extend(root.ok_or_else(|| {
                        let text = format!(
                            "the remote {} has nothing that is called {word:?}",
                            self.url()
                        );
                        Error::new(ErrorKind::Missing, text)
                            .with_help("`remote ls` shows what it has")
                    })?);
                }
            }
        }
        Ok(found)
    }
}

/// Returns the realization that a word stands for.
fn named(all: &[RemoteRealization], word: &str) -> Result<Option<RRefId>> {
    let newest = |is_meant: &dyn Fn(&RemoteRealization) -> bool| {
        let meant = all.iter().filter(|one| is_meant(one));
        let newest =
            meant.max_by_key(|one| (one.outcome == Outcome::Ok, one.time, one.rref.clone()));
        newest.map(|one| one.rref.clone())
    };
    if let Some(found) =
        newest(&|one| one.rref.name().as_str() == word || one.rref.dref().to_string() == word)
    {
        return Ok(Some(found));
    }
    if word.len() < 4 {
        return Ok(None);
    }
    // A beginning of a reference, with or without its first word.
    let begins = |one: &&RemoteRealization| {
        let rref = one.rref.to_string();
        rref.starts_with(word) || rref["rref:".len()..].starts_with(word)
    };
    let mut begun = all.iter().filter(begins);
    match (begun.next(), begun.next()) {
        (Some(one), None) => return Ok(Some(one.rref.clone())),
        (Some(_), Some(_)) => {
            let text = format!("{word:?} is the beginning of several references at the remote");
            return Err(Error::new(ErrorKind::Reference, text).with_help("give more of its digits"));
        }
        _ => {}
    }
    let of_derivation = |one: &RemoteRealization| {
        let dref = one.rref.dref().to_string();
        dref.starts_with(word) || dref["dref:".len()..].starts_with(word)
    };
    let drefs = all
        .iter()
        .filter(|one| of_derivation(one))
        .map(|one| one.rref.dref());
    let drefs: BTreeSet<_> = drefs.collect();
    match drefs.len() {
        0 => Ok(None),
        1 => Ok(newest(&of_derivation)),
        _ => {
            let text = format!("{word:?} is the beginning of several references at the remote");
            Err(Error::new(ErrorKind::Reference, text).with_help("give more of its digits"))
        }
    }
}
