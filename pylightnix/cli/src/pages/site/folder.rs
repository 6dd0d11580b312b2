//! The folder of a site: it has nothing but what was written there, and what did not change is not touched.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::symlink;
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
    files: BTreeSet<String>,
    changed: usize,
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl Fn(io::Error) -> CommandError + 'a {
    move |error| Error::io(what, path, error).into()
}

impl Folder {
    /// Opens a folder; refuses one that has anything that no site wrote.
    pub(super) fn open(root: &Path) -> CommandResult<Self> {
        fs::create_dir_all(root).map_err(failed("make the folder", root))?;
        let list = fs::read_to_string(root.join(LIST)).unwrap_or_default();
        let listed: BTreeSet<&str> = list.lines().collect();
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
        Ok(Folder {
            root: root.to_owned(),
            before,
            files: BTreeSet::new(),
            changed: 0,
        })
    }

    /// Returns the path of a file, with its folder made.
    fn place(&mut self, file: &str) -> CommandResult<PathBuf> {
        let path = self.root.join(file);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
        }
        self.files.insert(file.to_owned());
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

    /// Removes what is no longer of the site.
    pub(super) fn end(self) -> CommandResult<Written> {
        let old: Vec<_> = self.before.difference(&self.files).collect();
        for file in &old {
            // A folder that becomes empty stays.
            let _ = fs::remove_file(self.root.join(file));
        }
        let path = self.root.join(LIST);
        let lines: String = self.files.iter().map(|file| format!("{file}\n")).collect();
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
