//! Tests of the tests: each mechanism on which the store's safety depends is skipped in turn, and a test must detect it.
//!
//! `strace` skips a system call by reporting success without executing it, so that the tested program is the real one. A run
//! in which nothing is skipped must succeed.
//!
//! | skipped | detected by |
//! |---|---|
//! | each fsync of each operation that acknowledges something | [`audit`](crate::audit), in `fsyncs` |
//! | each fsync of a publication, and all of them | a power cut, in `cuts`, which lists what it cannot detect |
//! | `locks/gate`, `locks/gc`, `locks/sweep`, `locks/b/*` | processes that halt where the lock matters, in `locks`; the race |
//! | the lock of a process on its lease, and its check by a collection | a process that uses a realization, in `leases` |

mod cuts;
mod fsyncs;
mod leases;
mod locks;

use pylightnix::prelude::Result;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Options;
use crate::figures::Figures;
use crate::scene::{Scene, place};
use crate::syscalls::need_strace;

/// Runs the campaign; a count limits the number of skipped fsyncs, and everything else runs completely.
///
/// # Errors
/// Fails if `strace` cannot trace here, or if file systems cannot be mounted.
pub fn run(options: &Options) -> Result<Figures> {
    need_strace()?;
    let place = place()?;
    let scene = Scene::new(&options.program, place.path())?;
    if options.only.is_some() {
        return fsyncs::run(options, &scene);
    }
    let mut figures = leases::run(options, &scene)?;
    figures.add(locks::run(options, &scene)?);
    figures.add(fsyncs::run(options, &scene)?);
    figures.add(cuts::run(options)?);
    Ok(figures)
}

/// Creates at `path` a program that runs this command with its own arguments.
fn program(command: &Command, path: &Path) -> Result<PathBuf> {
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")))
        .collect();
    fs::write(
        path,
        format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")),
    )?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(path.to_owned())
}
