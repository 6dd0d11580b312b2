//! The other programs, as `tests/bench/peers/install` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use pylightnix::prelude::Result;

/// Returns a command for a Python program in the folder `peers`.
pub(crate) fn python(script: &str) -> Result<Command> {
    let program = std::env::current_exe()?;
    let built = program.ancestors().nth(2).unwrap_or(Path::new("."));
    let python = built.join("peers/bin/python");
    if !python.exists() {
        return Err(format!("no {}: run tests/bench/peers/install", python.display()).into());
    }
    let mut command = Command::new(python);
    command.arg(folder().join(script));
    Ok(command)
}

/// Returns the folder of the Python programs.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}
