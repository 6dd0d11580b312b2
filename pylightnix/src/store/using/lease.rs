//! Leases: a locked file for each process, which proves that the process lives and lists what it uses.
//!
//! The file has a line `dref:..` for each derivation in use, `code:<fingerprint>` for each code text, and `root:<name>` before
//! each root is written. If locks are unreliable on the file system, the first line is `elsewhere:<file system>`: an unheld
//! lock then does not prove that the process is dead. Lines that begin with `#` are comments. Lines are only ever appended,
//! those of one call together, under the shared lock. Garbage collection decides under the exclusive lock, so it never sees a
//! part of them, and reads only the new lines.

use rustc_hash::FxHashSet;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

use crate::config::DRefId;
use crate::hash_key::HashKey;
use crate::store::disk::durable::is_refused_to_write;
use crate::store::disk::layout::Layout;
use crate::store::using::flock::{TryLock, attempt, is_at};
use crate::{Error, Result};

/// Prefix of the first line of a lease whose lock may be invisible to other users of the store.
pub(in crate::store) const ELSEWHERE: &str = "elsewhere:";

/// Comes before the machine in the comment of a lease whose lock may be invisible to others.
const AT: &str = " at ";

/// Returns the name of this machine.
fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// Whether the process of a lease whose lock may be invisible here runs, or ran, on another machine. `lease` is its content.
pub(in crate::store) fn is_of_another_machine(lease: &str) -> bool {
    let mut lines = lease.lines();
    let is_marked = lines.next().is_some_and(|line| line.starts_with(ELSEWHERE));
    let machine = lines.next().and_then(|line| line.rsplit_once(AT));
    is_marked && machine.is_some_and(|(_, machine)| machine != format!("{:?}", host()))
}

/// Something that a process uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) enum Used {
    /// All realizations of a derivation, with their dependencies.
    Derivation(DRefId),
    /// The text of a code fingerprint.
    Code(String),
    /// The root with this name was about to be written and has to be read again.
    Root(String),
}

impl Used {
    /// Parses a line of a lease: `None` for a comment, an error for an unknown line.
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

/// The lease of this process on a store, and its temporary folder `tmp/<name of the lease>`.
pub(in crate::store) struct Lease {
    name: String,
    path: PathBuf,
    tmp: PathBuf,
    file: File,
    named: Mutex<LeaseContent>,
}

/// Write size in bytes: touching fresh memory costs more than another system call.
const WRITE_SIZE: usize = 16 << 10;

/// The content of the lease file.
#[derive(Default)]
struct LeaseContent {
    drefs: FxHashSet<HashKey>,
    /// Code fingerprints.
    codes: HashSet<String>,
    /// The length of the file.
    length: u64,
    /// The length of the file before the first entry.
    begins: u64,
}

impl Lease {
    /// Creates a lease. `system` is the type of the file system if its locks are unreliable.
    pub(in crate::store) fn take(layout: &Layout, system: Option<&str>) -> Result<Self> {
        loop {
            let name = Uuid::now_v7().to_string();
            let path = layout.leases().join(&name);
            // Where the lock is invisible to others, the lease must not be visible before its first line is written.
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
            let mut named = LeaseContent::default();
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
            // Before the lock is taken, a sweep may have mistaken this for a dead process's lease and removed it.
            if attempt(&file, &path)? == TryLock::Held || !is_at(&file, &path) {
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

    /// Returns the temporary folder of this process.
    pub(in crate::store) fn tmp(&self) -> &Path {
        &self.tmp
    }

    /// Whether the lease records anything in use.
    pub(in crate::store) fn records_use(&self) -> bool {
        let named = self.named();
        !named.drefs.is_empty() || !named.codes.is_empty()
    }

    /// Returns the derivations that the lease does not record yet.
    pub(in crate::store) fn not_recorded<'a>(
        &self,
        drefs: impl Iterator<Item = &'a DRefId>,
    ) -> Vec<&'a DRefId> {
        let named = self.named();
        let mut new = Vec::with_capacity(drefs.size_hint().0);
        new.extend(drefs.filter(|dref| !named.drefs.contains(&HashKey(*dref.hash()))));
        new
    }

    /// Records derivations. The caller holds the shared lock.
    pub(in crate::store) fn add_derivations(&self, drefs: &[&DRefId]) -> Result<()> {
        let mut named = self.named();
        self.add(&mut named, drefs, |text, dref| dref.push_to(text))?;
        named.drefs.reserve(drefs.len());
        named
            .drefs
            .extend(drefs.iter().map(|dref| HashKey(*dref.hash())));
        Ok(())
    }

    /// Records a code fingerprint, unless it is recorded already. The caller holds the shared lock.
    pub(in crate::store) fn add_code(&self, fingerprint: &str) -> Result<()> {
        let mut named = self.named();
        if !named.codes.contains(fingerprint) {
            self.add(&mut named, &[fingerprint], |text, fingerprint| {
                text.extend(["code:", fingerprint]);
            })?;
            named.codes.insert(fingerprint.to_owned());
        }
        Ok(())
    }

    /// Announces a root that is about to be written. The caller holds the shared lock.
    pub(in crate::store) fn add_root_name(&self, name: &str) -> Result<()> {
        let mut named = self.named();
        self.add(&mut named, &[name], |text, name| {
            text.extend(["root:", name])
        })
    }

    /// Appends lines, all or none.
    fn add<T>(
        &self,
        named: &mut LeaseContent,
        lines: &[T],
        push: impl Fn(&mut String, &T),
    ) -> Result<()> {
        let mut text = String::with_capacity(WRITE_SIZE);
        if named.length == named.begins {
            text.push_str(&format!("# process {} ", std::process::id()));
            let program = std::env::args_os().next().unwrap_or_default();
            // `Debug` formatting escapes line breaks.
            text.push_str(&format!("{program:?}"));
            if named.begins > 0 {
                text.push_str(&format!("{AT}{:?}", host()));
            }
            text.push('\n');
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
                WRITE_SIZE.. => write(&mut text),
                _ => Ok(()),
            }
        });
        if let Err(error) = lines.and_then(|()| write(&mut text)) {
            // Truncate: lines appended to an incomplete one would be lost.
            let _ = self.file.set_len(named.length);
            return Err(Error::io("write", &self.path, error));
        }
        named.length = length;
        Ok(())
    }

    fn named(&self) -> MutexGuard<'_, LeaseContent> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The folder comes first, as without a lease it would be swept. Removing it rightly fails while it is not empty.
        let _ = fs::remove_dir(&self.tmp);
        // A lease with entries is left to the next sweep: a running garbage collection may still need them.
        let names_nothing = {
            let named = self.named();
            named.length == named.begins
        };
        if names_nothing {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Adds advice to an error about missing write permission.
pub(in crate::store) fn not_writable(error: Error) -> Error {
    if !is_refused_to_write(&error) {
        return error;
    }
    error.more_help(
        "the results in this store can still be read; to build, publish or remove, \
         a process needs permission to write to it",
    )
}
