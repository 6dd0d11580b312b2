//! Installs programs that campaigns need, if they are missing and installing is permitted.

use pylightnix::prelude::Result;
use std::fs::File;
use std::process::Command;

/// Installs these Debian packages, unless the programs exist.
///
/// # Errors
/// Fails if the installation lock cannot be taken.
pub(crate) fn install(packages: &[&str], is_there: impl Fn() -> bool) -> Result<()> {
    // Parallel campaigns must not install at the same time.
    let lock = File::create(std::env::temp_dir().join("pylightnix-campaigns-install"))?;
    lock.lock()?;
    if !is_there() {
        for arguments in [["update", "-q"].as_slice(), &["install", "-yq"]] {
            let packages = packages.iter().filter(|_| arguments[0] == "install");
            let _ = Command::new("apt-get")
                .args(arguments)
                .args(packages)
                .output();
        }
    }
    Ok(())
}
