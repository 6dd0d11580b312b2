//! Programs that campaigns need, installed where they are missing and that is allowed.

use pylightnix::prelude::Result;
use std::fs::File;
use std::process::Command;

/// Installs these Debian packages, unless what they bring is there.
///
/// # Errors
/// That the lock on installing cannot be taken.
pub(crate) fn install(packages: &[&str], is_there: impl Fn() -> bool) -> Result<()> {
    // Campaigns that run side by side would hinder each other's installing.
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
