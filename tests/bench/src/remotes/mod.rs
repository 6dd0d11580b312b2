//! Remotes: pushing and pulling many small results and a large file beside programs that move bytes alone, copies over ssh, and runs that
//! ask for signatures. The server is a SeaweedFS on this machine; what needs it, or ssh, is left out where it cannot be started.

mod large;
mod small;
mod ssh;
mod trusted;

use std::path::{Path, PathBuf};
use std::process::Command;

use pylightnix::prelude::Result;
use tests::s3::S3;

use crate::options::Options;
use crate::table::Table;

/// Does the work of one process.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    match args {
        ["fill", root, count] => small::fill(Path::new(root), count.parse()?),
        ["members", root, pack] => small::members(Path::new(root), Path::new(pack)),
        ["large", root] => large::fill(Path::new(root)),
        ["trusted", rest @ ..] => trusted::child(rest),
        _ => Err(format!("{args:?}: fill, members, large or trusted").into()),
    }
}

/// Measures all of it.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    if options.wants("small") {
        small::run(options, table)?;
    }
    if options.wants("large") {
        large::run(options, table)?;
    }
    if options.wants("ssh") {
        ssh::run(options, table)?;
    }
    if options.wants("trusted") {
        trusted::run(options, table)?;
    }
    Ok(())
}

/// Returns the program `pylightnix` beside this one.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("pylightnix");
    match program.exists() {
        true => Ok(program),
        false => Err(format!(
            "there is no {}: `cargo build --release -p pylightnix-cli --features remote` makes it",
            program.display()
        )
        .into()),
    }
}

/// Returns a command of `pylightnix` on a store.
fn pylightnix(root: &Path) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.arg("--store").arg(root);
    Ok(command)
}

/// As [`pylightnix`], for one that asks a server.
fn asking(server: &S3, root: &Path) -> Result<Command> {
    let mut command = pylightnix(root)?;
    command.envs(server.variables());
    Ok(command)
}
