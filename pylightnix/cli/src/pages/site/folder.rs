//! The folder of a site: it has nothing but what was written there, and what did not change is not touched.
//!
//! The file `.pylightnix-site` lists the others. A line has the name of a file; then its size and its time in nanoseconds, as it was
//! written; and for some a digest of what it was made from, and the addresses that it leads to. A file that is as it was, and would be
//! made from the same, is not made again. The first line has the digest of all that the whole site was made from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use super::Written;
use crate::exit::{CommandError, CommandResult};
use pylightnix::Error;

/// The file that lists the others.
const LIST: &str = ".pylightnix-site";

pub(super) struct Folder {
    root: PathBuf,
    /// The files of the site that was there.
    before: BTreeSet<String>,
    /// What the list says of them.
    was: BTreeMap<String, Was>,
    /// The digest of what the whole site was made from.
    whole: Option<String>,
    files: BTreeMap<String, MadeFrom>,
    changed: usize,
}

/// A file as it was written.
struct Was {
    stamp: Stamp,
    made_from: MadeFrom,
}

/// The size of a file, and its time in seconds and nanoseconds.
type Stamp = (u64, i64, i64);

/// A digest of what a file was made from, and the addresses that it leads to; empty of one that is made anew each time.
#[derive(Clone, Default)]
pub(super) struct MadeFrom {
    pub(super) digest: String,
    pub(super) links: Vec<String>,
}

/// Marks the line with the digest of the whole.
const WHOLE: &str = "# ";

impl Was {
    /// Parses a line of the list; older sites have names alone.
    fn parse(line: &str) -> Option<(String, Self)> {
        let mut parts = line.split('\t');
        let name = parts.next()?.to_owned();
        let mut number = || parts.next()?.parse::<i64>().ok();
        let (size, seconds, nanoseconds) = (number()?, number()?, number()?);
        let digest = parts.next().unwrap_or_default().to_owned();
        let links = parts.next().unwrap_or_default().split_whitespace();
        let made_from = MadeFrom {
            digest,
            links: links.map(str::to_owned).collect(),
        };
        let stamp = (size.try_into().ok()?, seconds, nanoseconds);
        Some((name, Was { stamp, made_from }))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    Some(stamp_of(&fs::symlink_metadata(path).ok()?))
}

/// Returns the size and the time of a file: they differ if it was written again.
pub(super) fn stamp_of(there: &fs::Metadata) -> Stamp {
    (there.len(), there.mtime(), there.mtime_nsec())
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl Fn(io::Error) -> CommandError + 'a {
    move |error| Error::io(what, path, error).into()
}

impl Folder {
    /// Opens a folder; refuses one that has anything that no site wrote.
    pub(super) fn open(root: &Path) -> CommandResult<Self> {
        fs::create_dir_all(root).map_err(failed("make the folder", root))?;
        let list = fs::read_to_string(root.join(LIST)).unwrap_or_default();
        let names = list.lines().filter_map(|line| line.split('\t').next());
        let listed: BTreeSet<&str> = names.collect();
        // Of what is listed, only what is found below it: nothing else is ever removed.
        let mut before = BTreeSet::new();
        let mut waiting = vec![root.to_owned()];
        while let Some(folder) = waiting.pop() {
            let entries = fs::read_dir(&folder).map_err(failed("read the folder", &folder))?;
            for entry in entries {
                let entry = entry.map_err(failed("read the folder", &folder))?;
                let path = entry.path();
                let kind = entry.file_type().map_err(failed("read", &path))?;
                let name = path
                    .strip_prefix(root)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .into_owned();
                if kind.is_dir() {
                    waiting.push(path);
                } else if listed.contains(name.as_str()) {
                    before.insert(name);
                } else if name != LIST {
                    return Err(CommandError::Usage(format!(
                        "{} is no file of a site: give a folder that is empty, or that has nothing but a site",
                        path.display()
                    )));
                }
            }
        }
        let whole = list.lines().next();
        let whole = whole.and_then(|line| line.strip_prefix(WHOLE));
        Ok(Folder {
            root: root.to_owned(),
            before,
            was: list.lines().filter_map(Was::parse).collect(),
            whole: whole.map(str::to_owned),
            files: BTreeMap::new(),
            changed: 0,
        })
    }

    /// Returns what is written, if the whole site was made from what has this digest, and all files are as they were.
    pub(super) fn all_as_before(&self, digest: &str) -> Option<Written> {
        let is_all = self.whole.as_deref() == Some(digest)
            && self.before.iter().eq(self.was.keys())
            && self.was.keys().all(|file| self.is_as_it_was(file));
        is_all.then(|| Written {
            files: self.was.len(),
            ..Written::default()
        })
    }

    fn is_as_it_was(&self, file: &str) -> bool {
        let was = self.was.get(file).map(|was| was.stamp);
        self.before.contains(file) && was.is_some() && stamp(&self.root.join(file)) == was
    }

    /// Keeps a file that is as it was, and was made from what has this digest. Returns the addresses that it leads to.
    pub(super) fn keep(&mut self, file: &str, digest: &str) -> Option<Vec<String>> {
        let made_from = self.was.get(file)?.made_from.clone();
        if made_from.digest != digest || !self.is_as_it_was(file) {
            return None;
        }
        let links = made_from.links.clone();
        self.files.insert(file.to_owned(), made_from);
        Some(links)
    }

    /// Notes what a file was made from.
    pub(super) fn is_made_from(&mut self, file: &str, made_from: MadeFrom) {
        self.files.insert(file.to_owned(), made_from);
    }

    /// Returns the path of a file, with its folder made.
    fn place(&mut self, file: &str) -> CommandResult<PathBuf> {
        let path = self.root.join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
        }
        self.files.entry(file.to_owned()).or_default();
        Ok(path)
    }

    pub(super) fn write(&mut self, file: &str, bytes: &[u8]) -> CommandResult<()> {
        let path = self.place(file)?;
        let is_file = fs::symlink_metadata(&path).is_ok_and(|there| there.is_file());
        if is_file && fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        self.changed += 1;
        self.list(file)?;
        // Not through a link of before.
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).map_err(failed("write", &path))
    }

    /// Writes what is read from a file; `path` is its path.
    pub(super) fn copy(
        &mut self,
        file: &str,
        mut from: impl Read,
        path: &Path,
    ) -> CommandResult<()> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).map_err(failed("read", path))?;
        self.write(file, &bytes)
    }

    pub(super) fn link(&mut self, file: &str, from: &Path) -> CommandResult<()> {
        let path = self.place(file)?;
        let from = from.canonicalize().map_err(failed("read", from))?;
        if fs::read_link(&path).is_ok_and(|there| there == from) {
            return Ok(());
        }
        self.changed += 1;
        self.list(file)?;
        let _ = fs::remove_file(&path);
        symlink(from, &path).map_err(failed("make the link", &path))
    }

    /// Lists a file, before it is written: a site whose writing was cut off can be written again.
    fn list(&mut self, file: &str) -> CommandResult<()> {
        if !self.before.insert(file.to_owned()) {
            return Ok(());
        }
        let path = self.root.join(LIST);
        let list = OpenOptions::new().create(true).append(true).open(&path);
        let listed = list.and_then(|mut list| writeln!(list, "{file}"));
        listed.map_err(failed("write", &path))
    }

    /// Removes what is no longer of the site, which was made from what has this digest.
    pub(super) fn end(self, digest: &str) -> CommandResult<Written> {
        let before = self.before.iter();
        let old: Vec<_> = before
            .filter(|file| !self.files.contains_key(*file))
            .collect();
        for file in &old {
            // A folder that becomes empty stays.
            let _ = fs::remove_file(self.root.join(file));
        }
        let path = self.root.join(LIST);
        let mut lines = format!("{WHOLE}{digest}\n");
        for (file, MadeFrom { digest, links }) in &self.files {
            let (size, seconds, nanoseconds) = stamp(&self.root.join(file)).unwrap_or_default();
            let links = links.join(" ");
            lines += &format!("{file}\t{size}\t{seconds}\t{nanoseconds}\t{digest}\t{links}\n");
        }
        if !fs::read_to_string(&path).is_ok_and(|there| there == lines) {
            fs::write(&path, lines).map_err(failed("write", &path))?;
        }
        Ok(Written {
            files: self.files.len(),
            changed: self.changed,
            removed: old.len(),
            without_page: 0,
        })
    }
}
