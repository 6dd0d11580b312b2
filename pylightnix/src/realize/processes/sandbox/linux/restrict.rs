//! Restricts a process on Linux: files with Landlock, the rest with a filter of system calls.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::super::{Sandbox, impossible};
use super::{filter, opens, system};
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// The first version of Landlock that holds back truncation, and lets files move between the folders of an output.
const NEEDED: ABI = ABI::V3;

/// What lets root look at other processes whatever Landlock says, and past the names of files.
const GIVEN_UP: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::CHECKPOINT_RESTORE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::SYSLOG)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_MODULE)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::SYS_RAWIO);

/// Fails if this system cannot seal a process.
pub(in super::super) fn check() -> Result<()> {
    ruleset().map_err(lacking)?;
    filter::check()
}

/// Restricts this process to what a sealed stage may reach. Returns the listener that tells what it opens, if this process may have
/// one.
pub(in super::super) fn restrict(sandbox: &Sandbox, store: &Store) -> Result<Option<OwnedFd>> {
    expect_one_thread()?;
    give_up_capabilities()
        .map_err(|error| Error::new(ErrorKind::Io, "cannot give up capabilities").because(error))?;
    let read = AccessFs::from_read(NEEDED);
    // A device that root makes would lead to a whole disk.
    let devices = AccessFs::MakeBlock | AccessFs::MakeChar;
    let all = AccessFs::from_all(NEEDED) & !devices;
    let mut rules = ruleset().map_err(lacking)?;
    for path in system::readable(sandbox.network).map(Path::new) {
        rules = allow_if_there(rules, path, read)?;
    }
    // Lines of backtraces are read from the program.
    rules = allow_if_there(rules, Path::new("/proc/self/exe"), read)?;
    for path in system::DEVICES.map(Path::new) {
        rules = allow_if_there(rules, path, AccessFs::from_file(NEEDED))?;
    }
    for path in &sandbox.read {
        let access = match fs::metadata(path) {
            Ok(found) if !found.is_dir() && !found.is_file() => AccessFs::from_file(NEEDED),
            _ => read,
        };
        rules = allow_if_there(rules, path, access)?;
    }
    rules = allow_realizations(rules, sandbox, store, read)?;
    rules = allow(rules, &sandbox.folder, all)?;
    rules.restrict_self().map_err(lacking)?;
    filter::install(sandbox.network)?;
    // Without it, errors name no paths.
    Ok(opens::listen().ok())
}

/// Gives up the rights of root to look at other processes, and past the names of files. No process that this one starts gets them
/// back, as Landlock needs `no_new_privs`.
fn give_up_capabilities() -> rustix::io::Result<()> {
    let mut sets = capabilities(None)?;
    for set in [
        &mut sets.effective,
        &mut sets.permitted,
        &mut sets.inheritable,
    ] {
        set.remove(GIVEN_UP);
    }
    set_capabilities(None, sets)
}

/// Begins to list what a process may do with files.
fn ruleset() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(NEEDED))?
        .create()
}

fn lacking(error: RulesetError) -> Error {
    let lacks = "its Landlock is missing, is not enabled, or is of a version before 3";
    impossible(lacks).because(error)
}

/// Allows an access to a file or folder, and to all that is in it, unless it is not there.
fn allow_if_there(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => allow(rules, path, access),
        Ok(_) => allow(rules, path, access & AccessFs::from_file(NEEDED)),
        Err(_) => Ok(rules),
    }
}

fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated> {
    let place = PathFd::new(path).map_err(|error| unreachable_for(path, error))?;
    rules
        .add_rule(PathBeneath::new(place, access))
        .map_err(|error| unreachable_for(path, error))
}

/// Allows reading what is in the folders of realizations. There may be many, so they are opened from the folder that has all.
fn allow_realizations(
    mut rules: RulesetCreated,
    sandbox: &Sandbox,
    store: &Store,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let open = |at: BorrowedFd<'_>, name: &Path| openat(at, name, flags, Mode::empty());
    let mut objects: Option<OwnedFd> = None;
    for rref in &sandbox.realizations {
        let folder = store.realization_dir(rref);
        let failed = |error: rustix::io::Errno| unreachable_for(&folder, io::Error::from(error));
        let of_dref = folder.parent().unwrap_or(&folder);
        let all = of_dref.parent().unwrap_or(of_dref);
        let at = match &objects {
            Some(at) => at,
            None => objects.insert(open(CWD, all).map_err(failed)?),
        };
        let name = folder.strip_prefix(all).unwrap_or(&folder);
        let place = match open(at.as_fd(), name) {
            // A stub has no files to read.
            Err(rustix::io::Errno::NOENT) => continue,
            place => place.map_err(failed)?,
        };
        rules = rules
            .add_rule(PathBeneath::new(place, access))
            .map_err(|error| unreachable_for(&folder, error))?;
    }
    Ok(rules)
}

fn unreachable_for(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let message = "cannot let a sealed stage reach it";
    Error::new(ErrorKind::Io, message).at(path).because(error)
}

/// Fails if this process has more than one thread: those that run already would not be restricted.
fn expect_one_thread() -> Result<()> {
    let count = fs::read_dir("/proc/self/task").map(Iterator::count);
    match count.map_err(|error| Error::io("read", Path::new("/proc/self/task"), error))? {
        1 => Ok(()),
        count => {
            let message = format!("the process of a sealed stage has {count} threads already");
            Err(Error::new(ErrorKind::Plan, message).with_help(
                "call `pylightnix::worker`, or `pylightnix_cli::main`, first in `main`, before anything that starts threads",
            ))
        }
    }
}

/// Says why a filter of system calls is not possible.
pub(super) fn no_filter(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    impossible("it lets no process filter its system calls").because(error)
}
