//! The machine that is measured on.

use std::fs;
use std::path::Path;

use pylightnix::prelude::Result;

/// Its processors, memory and kernel, and the file system of `folder`, in a line.
pub(crate) fn facts(folder: &Path) -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let processor = value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = value("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = rustix::system::uname();
    let kernel = kernel.release().to_string_lossy().into_owned();
    Ok(format!(
        "{cores} cores ({processor}), memory {memory}, Linux {kernel}, {}",
        file_system(folder)?
    ))
}

/// What comes after the first line's colon that begins with `key`.
fn value(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The type and options of the file system on which `folder` lies.
fn file_system(folder: &Path) -> Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mount = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|mount| mount.len() > 3 && folder.starts_with(mount[1]))
        .max_by_key(|mount| mount[1].len())
        .ok_or("no mount holds the folder")?;
    Ok(format!("{} ({}) on {}", mount[2], mount[3], mount[0]))
}
