//! The Python package `pylightnix`, as PyPI has it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::services::brings;

/// An interpreter that has the package.
#[derive(Debug)]
pub struct Python(PathBuf);

static PYTHON: OnceLock<Option<Python>> = OnceLock::new();

impl Python {
    /// Returns the interpreter, which is installed when it is not there; `None` on a machine that cannot do that, unless `CI` is
    /// `true`, where that is a failure.
    ///
    /// # Panics
    /// It cannot be installed, and `CI` is `true`.
    pub fn shared() -> Option<&'static Python> {
        let find = || {
            if !brings("python/up", &[OsStr::new("--install")]) {
                return None;
            }
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/up");
            let found = Command::new(script).output().expect("the script runs");
            let path = String::from_utf8(found.stdout).expect("a path");
            Some(Python(PathBuf::from(path.trim())))
        };
        PYTHON.get_or_init(find).as_ref()
    }

    /// Runs a command of `tests/python/stores.py`, and returns what it prints.
    ///
    /// # Panics
    /// It fails.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/stores.py");
        let output = Command::new(&self.0)
            .arg(script)
            .args(arguments)
            .env("TZ", "Europe/Tallinn")
            .output()
            .expect("the interpreter");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            let printed = String::from_utf8_lossy(&output.stdout);
            unreachable!("{error}: {printed}{said}")
        })
    }
}
