//! Sandboxes: what the process of a sealed stage may reach.
//!
//! The run says it in a [`Sandbox`], the worker restricts itself to it before it makes the plan, and the system refuses the rest. How is in
//! `linux`; other systems cannot. `explain` makes the error of a stage that was refused something.

pub(super) mod explain;
#[cfg(all(
    target_os = "linux",
    target_endian = "little",
    not(pylightnix_portable)
))]
mod linux;
#[cfg(not(all(
    target_os = "linux",
    target_endian = "little",
    not(pylightnix_portable)
)))]
mod nowhere;

#[cfg(all(
    target_os = "linux",
    target_endian = "little",
    not(pylightnix_portable)
))]
use linux as half;
#[cfg(not(all(
    target_os = "linux",
    target_endian = "little",
    not(pylightnix_portable)
)))]
use nowhere as half;

use std::collections::HashSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;

pub(in crate::realize::processes) use half::Watch;
use serde::{Deserialize, Serialize};

use crate::config::RRefId;
use crate::lens::{AnyRRef, Chosen};
use crate::plan::Sealing;
use crate::store::{Draft, Store};
use crate::{Error, ErrorKind, Result};

/// What the process of a sealed stage may reach.
#[derive(Clone, Serialize, Deserialize)]
pub(in crate::realize) struct Sandbox {
    /// The realizations that are reached from the context.
    realizations: Vec<RRefId>,
    /// What the stage declares.
    read: Vec<PathBuf>,
    network: bool,
    /// The folder of the build, with its output, its log and its scratch files.
    folder: PathBuf,
    scratch: PathBuf,
}

impl Sandbox {
    /// Returns the sandbox of a run, and makes the folder for its temporary files.
    pub(in crate::realize) fn new(
        sealing: Sealing,
        chosen: &Chosen,
        draft: &Draft,
    ) -> Result<Self> {
        let (scratch, out) = (draft.scratch(), draft.out());
        fs::create_dir_all(scratch).map_err(|error| Error::io("create", scratch, error))?;
        Ok(Sandbox {
            realizations: reached(chosen),
            read: sealing.read.iter().map(PathBuf::from).collect(),
            network: sealing.network,
            folder: out.parent().unwrap_or(out).to_owned(),
            scratch: scratch.to_owned(),
        })
    }

    /// Has a command give its process no descriptor but the standard ones, and a folder for temporary files that it may write.
    pub(super) fn prepare(&self, command: &mut Command) {
        command.env("TMPDIR", &self.scratch);
        half::close_others(command);
    }

    /// Restricts this process, which must have one thread, and all that it starts. Returns the listener that tells what they open, if
    /// there can be one.
    pub(super) fn restrict(&self, store: &Store) -> Result<Option<OwnedFd>> {
        half::restrict(self, store)
    }
}

/// Fails if this system cannot seal a process.
pub(in crate::realize) fn check() -> Result<()> {
    half::check()
}

/// Returns the error of a system that cannot seal a process.
fn impossible(lacks: &str) -> Error {
    let message = format!("sealed stages cannot run here: {lacks}");
    Error::new(ErrorKind::Plan, message).with_help(
        "sealed stages need Linux 6.2 or later with Landlock and seccomp; without `sealed`, stages run and may read anything",
    )
}

/// Returns the realizations that are reached from these, without recursion: a chain may be very long.
fn reached(chosen: &Chosen) -> Vec<RRefId> {
    let mut seen: HashSet<&RRefId> = HashSet::new();
    let mut waiting: Vec<&AnyRRef> = Vec::new();
    let mut found = Vec::new();
    waiting.extend(rrefs_of(chosen));
    while let Some(rref) = waiting.pop() {
        let id = &rref.realization().id;
        if seen.insert(id) {
            found.push(id.clone());
            waiting.extend(rrefs_of(rref.chosen()));
        }
    }
    found
}

fn rrefs_of(chosen: &Chosen) -> impl Iterator<Item = &AnyRRef> {
    chosen.iter().flat_map(|(_, rrefs)| rrefs.iter())
}
