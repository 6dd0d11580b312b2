//! The tests test: what the store's safety rests on is left out, one thing at a time, and that must be noticed.
//!
//! `strace` leaves it out: it says that a call was done and does not do it, so that the program under test is the one that
//! is used. A run with nothing left out must hold.
//!
//! | left out | who must notice |
//! |---|---|
//! | each fsync of each operation that tells somebody something | [`audit`](crate::audit), in `fsyncs` |
//! | the same, of a publication, and all of them | a power cut, in `cuts`, which says what it cannot see |
//! | `locks/gate`, `locks/gc`, `locks/sweep`, `locks/b/*` | processes that halt where the lock matters, in `locks`; the race |
//! | the lock of a lease by its process, and the look at it by a collection | a process that uses something, in `leases` |

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

/// Runs it; a count takes so many fsyncs spread over all that can be left out, and all else.
///
/// # Errors
/// That `strace` may not trace here, or that nothing can be mounted.
pub fn run(options: &Options) -> Result<Figures> {
    need_strace()?;
    let place = place()?;
    let scene = Scene::new(&options.program, place.path())?;
    let mut figures = leases::run(options, &scene)?;
    figures.add(locks::run(options, &scene)?);
    figures.add(fsyncs::run(options, &scene)?);
    figures.add(cuts::run(options)?);
    Ok(figures)
}

/// Makes at `path` a program that runs this command with the arguments that it is given.
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
