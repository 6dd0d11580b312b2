//! Programs that tests need beside them, which scripts of this package bring, start and end.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the place of a script, as in `slurm/up`.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs a script. Returns `false` on a machine that cannot do what it does, unless `CI` is `true`, where that is a failure.
///
/// # Panics
/// The script fails.
#[must_use]
pub fn brings(name: &str, arguments: &[&OsStr]) -> bool {
    let output = Command::new(script(name)).args(arguments).output();
    let output = output.expect("the script runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() == Some(3) {
        let is_wanted = env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!is_wanted, "{said}");
        eprintln!("left out: {said}");
        return false;
    }
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{why}");
    true
}

/// Has a script end what another one started, and removes its folder, when this process is gone, however that ends.
pub fn end_with_this_process(name: &str, folder: &Path) {
    let ends = format!(
        "while kill -0 {0} 2>/dev/null; do sleep 0.2; done; {1} {2}; rm -rf {2}",
        std::process::id(),
        script(name).display(),
        folder.display(),
    );
    let _ = in_background(&["sh", "-c", &ends]);
}

/// Runs the script that ends what another one started, now.
///
/// # Panics
/// The script does not run.
pub fn end(name: &str, folder: &Path) {
    let ended = Command::new(script(name)).arg(folder).status();
    assert!(ended.expect("the script runs").success());
}

/// Starts a program that goes on by itself, and returns the number of its process.
///
/// # Panics
/// There is no shell.
pub(crate) fn in_background(command: &[&str]) -> String {
    let shell = "setsid \"$@\" </dev/null >/dev/null 2>&1 & echo $!";
    let mut start = Command::new("sh");
    start.args(["-c", shell, "sh"]).args(command);
    let started = start.output().expect("a shell");
    let number = String::from_utf8(started.stdout).expect("text");
    number.trim().to_owned()
}
