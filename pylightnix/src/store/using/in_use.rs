//! Derivations and code texts that living processes use.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::config::DRefId;
use crate::store::Store;
use crate::store::disk::durable::is_refused_to_write;
use crate::store::disk::regular::open_regular;
use crate::store::using::lease::Used;
use crate::store::using::sweep::{LeaseState, all_names, probe_for_removal};
use crate::{Error, ErrorKind, Result};

impl Store {
    /// Records in this process's lease that it uses these derivations, so that garbage collection keeps them. Returns `false` if
    /// this process has no write permission to the store.
    pub(crate) fn use_derivations<'a>(
        &self,
        drefs: impl IntoIterator<Item = &'a DRefId>,
    ) -> Result<bool> {
        match self.record_in_use(drefs) {
            Ok(()) => Ok(true),
            Err(error) if is_refused_to_write(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Records derivations in use like [`use_derivations`](Self::use_derivations), for writers: missing permission is an error.
    pub(in crate::store) fn record_in_use<'a>(
        &self,
        drefs: impl IntoIterator<Item = &'a DRefId>,
    ) -> Result<()> {
        self.manager().record_in_use(drefs.into_iter())
    }
}

/// The content of all leases of a store.
pub(in crate::store) struct InUse {
    /// Leases whose processes were dead at the first read. They are ignored.
    dead: HashSet<String>,
    /// The number of processes on other machines that may be alive.
    pub(in crate::store) elsewhere: usize,
    /// The number of bytes read from each other lease.
    read: HashMap<String, u64>,
    pub(in crate::store) all: HashSet<Used>,
    /// Names of roots that may have been written since the roots were read.
    written_roots: Vec<String>,
}

impl InUse {
    /// Reads the leases of all living processes, including this one. Processes whose locks are invisible here count as alive,
    /// unless `alone` says that no other machine uses the store.
    pub(in crate::store) fn read(store: &Store, alone: bool) -> Result<Self> {
        let layout = store.layout();
        let own = store.manager().lease_name();
        let mut in_use = InUse {
            dead: HashSet::new(),
            elsewhere: 0,
            read: HashMap::new(),
            all: HashSet::new(),
            written_roots: Vec::new(),
        };
        let names = lease_names(&layout.leases())?.into_iter();
        for name in names.filter(|name| own != Some(name.as_str())) {
            match probe_for_removal(&layout.leases().join(&name), alone) {
                // Dropping the state releases the lock on the lease.
                LeaseState::Dead(_) => drop(in_use.dead.insert(name)),
                LeaseState::Elsewhere => in_use.elsewhere += 1,
                LeaseState::Alive | LeaseState::Missing => {}
            }
        }
        in_use.read_new(store)?;
        Ok(in_use)
    }

    /// Reads and returns the entries that were added since the last call, including those of processes that have exited. The
    /// result is complete if the caller holds the exclusive lock.
    pub(in crate::store) fn read_new(&mut self, store: &Store) -> Result<Vec<Used>> {
        let leases = store.layout().leases();
        let mut new = Vec::new();
        for name in lease_names(&leases)? {
            if self.dead.contains(&name) {
                continue;
            }
            let path = leases.join(&name);
            let from = self.read.entry(name).or_default();
            let text = match lines_from(&path, *from) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                text => text.map_err(|error| unreadable(Error::io("read", &path, error)))?,
            };
            *from += text.len() as u64;
            for line in text.lines() {
                let used = Used::of_line(line).map_err(|_| {
                    unreadable(Error::new(
                        ErrorKind::Store,
                        format!("the lease {} has the line {line:?}", path.display()),
                    ))
                })?;
                match used {
                    Some(Used::Root(name)) => self.written_roots.push(name),
                    Some(used) if self.all.insert(used.clone()) => new.push(used),
                    _ => {}
                }
            }
        }
        Ok(new)
    }

    /// Returns the roots that were announced in leases since the last call.
    pub(in crate::store) fn take_written_roots(&mut self) -> Vec<String> {
        std::mem::take(&mut self.written_roots)
    }

    /// Whether a living process uses this derivation.
    pub(in crate::store) fn has(&self, dref: &DRefId) -> bool {
        self.all.contains(&Used::Derivation(dref.clone()))
    }

    /// Whether a living process uses the text of this fingerprint.
    pub(in crate::store) fn has_code(&self, fingerprint: &str) -> bool {
        self.all.contains(&Used::Code(fingerprint.to_owned()))
    }
}

/// Returns the names of all leases. An unreadable folder is an error, as unseen leases may protect something.
fn lease_names(leases: &Path) -> Result<Vec<String>> {
    all_names(leases).map_err(|error| unreadable(Error::io("read the folder", leases, error)))
}

/// Reads the complete lines from offset `from` on.
fn lines_from(path: &Path, from: u64) -> io::Result<String> {
    let (mut file, length) = open_regular(path)?;
    if length <= from {
        return Ok(String::new());
    }
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // An incomplete line is still being written, or its process died while writing; it protects nothing yet.
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    bytes.truncate(end.map_or(0, |end| end + 1));
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn unreadable(error: Error) -> Error {
    error.more_help(
        "without it, what that process uses is not known: wait until it ends, or let its user, \
         or its version of pylightnix, do this",
    )
}
