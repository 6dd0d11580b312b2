//! The machine on which the benchmarks run.

use std::fs;
use std::path::Path;

use pylightnix::prelude::Result;

/// Returns its processors, memory and kernel, and the file system of `folder`, on one line.
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

/// Returns the text after the colon of the first line that begins with `key`.
fn value(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Returns the type and the options of the file system of `folder`.
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
