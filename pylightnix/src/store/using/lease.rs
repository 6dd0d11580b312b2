//! What tells that a process lives, and what it uses: a file that it holds locked.
//!
//! The file has a line for each derivation in use, `dref:..`, for each text of code, `code:<fingerprint>`, and, before each
//! root that is written, `root:<name>`. Where locks need not hold for everybody who uses the store, its first line is
//! `elsewhere:<file system>`: then nobody can tell by the lock that its process is dead. A line that begins with `#` is for people. Lines are only ever added, all of one
//! call in one go, by who has entered; so a gc, which is alone when it decides, never reads half of them, and reads only
//! what is new.

use rustc_hash::FxHashSet;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

use crate::config::DRefId;
use crate::store::disk::durable::is_refused_to_write;
use crate::store::disk::layout::Layout;
use crate::store::using::flock::{Attempt, attempt, is_at};
use crate::{Error, Result};

/// How a lease begins whose lock need not hold for everybody who uses the store.
pub(in crate::store) const ELSEWHERE: &str = "elsewhere:";

/// Something that a process uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) enum Used {
    /// All realizations of a derivation, and what they were made from.
    Derivation(DRefId),
    /// The text that a fingerprint stands for.
    Code(String),
    /// The root of this name was about to be written: to be read again.
    Root(String),
}

impl Used {
    /// What a line says is in use; nothing if it is for people, an error if it is not known here.
    pub(in crate::store) fn of_line(line: &str) -> Result<Option<Self>> {
        if line.starts_with('#') || line.starts_with(ELSEWHERE) {
            return Ok(None);
        }
        if let Some(fingerprint) = line.strip_prefix("code:") {
            return Ok(Some(Used::Code(fingerprint.to_owned())));
        }
        if let Some(name) = line.strip_prefix("root:") {
            return Ok(Some(Used::Root(name.to_owned())));
        }
        Ok(Some(Used::Derivation(line.parse()?)))
    }
}

/// The lease of this process on a store, and the folder for what it has under way, `tmp/<the lease's name>`.
pub(in crate::store) struct Lease {
    name: String,
    path: PathBuf,
    tmp: PathBuf,
    file: File,
    named: Mutex<Named>,
}

/// About so many bytes are written at once: memory that is touched for the first time costs more than another call.
const PIECE: usize = 16 << 10;

/// What the file says.
#[derive(Default)]
struct Named {
    drefs: FxHashSet<DRefId>,
    /// Fingerprints.
    codes: HashSet<String>,
    /// The length of the file with all of its lines.
    length: u64,
    /// And before anything was named.
    begins: u64,
}

impl Lease {
    /// Makes a new one; `system` is the file system, if its locks cannot be trusted.
    pub(in crate::store) fn take(layout: &Layout, system: Option<&str>) -> Result<Self> {
        loop {
            let name = Uuid::now_v7().to_string();
            let path = layout.leases().join(&name);
            // Where others do not see the lock they must not see the lease before it says so.
            let first = match system {
                Some(_) => layout.leases().join(format!(".{name}")),
                None => path.clone(),
            };
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create_new(true)
                .open(&first)
                .map_err(|error| not_writable(Error::io("create", &first, error)))?;
            let mut named = Named::default();
            if let Some(system) = system {
                let line = format!("{ELSEWHERE}{system}\n");
                let begun = (&file)
                    .write_all(line.as_bytes())
                    .and_then(|()| fs::rename(&first, &path));
                if let Err(error) = begun {
                    let _ = fs::remove_file(&first);
                    return Err(not_writable(Error::io("create", &path, error)));
                }
                named.begins = line.len() as u64;
            }
            // Between making and locking it a sweeper may find it unlocked, take it for a dead process's and remove it.
            if attempt(&file, &path)? == Attempt::Held || !is_at(&file, &path) {
                continue;
            }
            let tmp = layout.tmp().join(&name);
            if let Err(error) = fs::create_dir(&tmp) {
                let _ = fs::remove_file(&path);
                return Err(not_writable(Error::io("create the folder", &tmp, error)));
            }
            named.length = named.begins;
            return Ok(Lease {
                name,
                path,
                tmp,
                file,
                named: Mutex::new(named),
            });
        }
    }

    pub(in crate::store) fn name(&self) -> &str {
        &self.name
    }

    /// Where this process puts what is not published yet.
    pub(in crate::store) fn tmp(&self) -> &Path {
        &self.tmp
    }

    /// Whether it says that anything is in use.
    pub(in crate::store) fn names_something(&self) -> bool {
        let named = self.named();
        !named.drefs.is_empty() || !named.codes.is_empty()
    }

    /// Those that it does not name yet.
    pub(in crate::store) fn not_named<'a>(
        &self,
        drefs: impl Iterator<Item = &'a DRefId>,
    ) -> Vec<&'a DRefId> {
        let named = self.named();
        let mut new = Vec::with_capacity(drefs.size_hint().0);
        new.extend(drefs.filter(|dref| !named.drefs.contains(*dref)));
        new
    }

    /// Adds a line for each. The caller has entered.
    pub(in crate::store) fn name_derivations(&self, drefs: &[&DRefId]) -> Result<()> {
        let mut named = self.named();
        self.add(&mut named, drefs, |text, dref| dref.push_to(text))?;
        named.drefs.reserve(drefs.len());
        named.drefs.extend(drefs.iter().copied().cloned());
        Ok(())
    }

    /// Adds a line for the text of a fingerprint, unless it has one. The caller has entered.
    pub(in crate::store) fn name_code(&self, fingerprint: &str) -> Result<()> {
        let mut named = self.named();
        if !named.codes.contains(fingerprint) {
            self.add(&mut named, &[fingerprint], |text, fingerprint| {
                text.extend(["code:", fingerprint]);
            })?;
            named.codes.insert(fingerprint.to_owned());
        }
        Ok(())
    }

    /// Adds a line for a root. The caller has entered.
    pub(in crate::store) fn name_root(&self, name: &str) -> Result<()> {
        let mut named = self.named();
        self.add(&mut named, &[name], |text, name| {
            text.extend(["root:", name])
        })
    }

    /// Adds lines, all of them or none.
    fn add<T>(&self, named: &mut Named, lines: &[T], push: impl Fn(&mut String, &T)) -> Result<()> {
        let mut text = String::with_capacity(PIECE);
        if named.length == named.begins {
            text.push_str(&format!("# process {} ", std::process::id()));
            let program = std::env::args_os().next().unwrap_or_default();
            // As it is printed for debugging, it has no line break.
            text.push_str(&format!("{program:?}\n"));
        }
        let mut length = named.length;
        let mut write = |text: &mut String| {
            let written = (&self.file).write_all(text.as_bytes());
            length += text.len() as u64;
            text.clear();
            written
        };
        let lines = lines.iter().try_for_each(|line| {
            push(&mut text, line);
            text.push('\n');
            match text.len() {
                PIECE.. => write(&mut text),
                _ => Ok(()),
            }
        });
        if let Err(error) = lines.and_then(|()| write(&mut text)) {
            // What follows half a line would be lost with it.
            let _ = self.file.set_len(named.length);
            return Err(Error::io("write", &self.path, error));
        }
        named.length = length;
        Ok(())
    }

    fn named(&self) -> MutexGuard<'_, Named> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The folder first: without its lease it would be swept. If it is not empty, that is right.
        let _ = fs::remove_dir(&self.tmp);
        // What it names is for the next sweep to forget: a gc under way may still have to know.
        let names_nothing = {
            let named = self.named();
            named.length == named.begins
        };
        if names_nothing {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Says of a refusal what it means.
pub(in crate::store) fn not_writable(error: Error) -> Error {
    if !is_refused_to_write(&error) {
        return error;
    }
    error.more_help(
        "the results in this store can still be read; to build, publish or remove, \
         a process needs permission to write to it",
    )
}
