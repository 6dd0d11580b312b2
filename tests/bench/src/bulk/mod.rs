//! Large files and many files: ingesting, packing, unpacking and copying them with durability `none`, compared with
//! `openssl`, a minimal program, `tar`, `zip`, `unzip` and `cp`.

mod archives;
mod copies;
mod ingest;
mod load;

use std::fs;
use std::path::Path;
use std::time::Duration;

use pylightnix::prelude::Result;

use crate::options::Options;
use crate::table::Table;
use load::{LOADS, remove};

/// The work of our child processes; those for ingesting print the seconds that it took, and their memory.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    match args {
        ["ingest", load, root] => say(ingest::ours(load, root.as_ref())?),
        ["ingest-bare", load, root] => say(ingest::bare(load, root.as_ref())?),
        ["pack", root, archive] => archives::pack(root.as_ref(), archive.as_ref()),
        ["unpack", archive, root] => archives::unpack(archive.as_ref(), root.as_ref()),
        ["copy", from, to] => copies::copy(from.as_ref(), to.as_ref()),
        _ => Err("something to do, and two paths or a load and a path".into()),
    }
}

fn say(time: Duration) -> Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let memory = line.and_then(|line| line.split_once(':'));
    println!(
        "{} {}",
        time.as_secs_f64(),
        memory.map_or("?", |(_, size)| size.trim())
    );
    Ok(())
}

/// Measures all loads.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    for load in LOADS.iter().filter(|load| options.wants(load.name)) {
        let folder: &Path = folder.path();
        if !load.text {
            ingest::run(options, table, folder, load)?;
        }
        let root = folder.join(format!("{}-store", load.name));
        load.fill(&root)?;
        archives::run(options, table, folder, (load, &root))?;
        if !load.text {
            copies::run(options, table, folder, (load, &root))?;
        }
        if load.has_few_files() {
            remove(&root)?;
        }
    }
    crate::cold::make_removable(folder.path())
}
