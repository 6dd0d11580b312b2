//! A stage that writes files: the time from the end of its own work to the end of `realize`.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pylightnix::prelude::*;
use pylightnix::store::Durability;

use super::load::{Load, remove};
use crate::contest::contest;
use crate::measure::{child as child_of, time};
use crate::options::Options;
use crate::table::{Row, Table};

/// A stage that writes a load.
#[derive(Config)]
struct Written {
    #[selfref("files")]
    out: SelfRef,
    load: String,
}

/// The time at which the stage had written its files.
static WRITTEN: OnceLock<Instant> = OnceLock::new();

#[stage]
fn written(b: &Build<Written>) -> Result<WrittenOutputs> {
    fs::create_dir(b.out.path())?;
    Load::named(&b.load)?.write(b.out.path())?;
    rustix::fs::sync();
    WRITTEN.get_or_init(Instant::now);
    Ok(WrittenOutputs {
        out: b.out.written()?,
    })
}

/// Realizes the stage; returns the time after its own work.
pub(super) fn ours(load: &str, root: &Path) -> Result<Duration> {
    let store = Store::open(root)?.with_durability(Durability::None);
    let target = instantiate(Written::new(load.to_owned()))?;
    store.realize(&target)?;
    Ok(WRITTEN.get().ok_or("the stage did not run")?.elapsed())
}

/// Does the minimal work for the same files in `root`: hashes them and sets their modes on two threads, and renames their
/// folder.
pub(super) fn bare(load: &str, root: &Path) -> Result<Duration> {
    let load = Load::named(load)?;
    let folder = root.join("tmp");
    fs::create_dir_all(&folder)?;
    load.write(&folder)?;
    rustix::fs::sync();
    let begun = Instant::now();
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder)? {
        paths.push(entry?.path());
    }
    let next = AtomicUsize::new(0);
    let worker = || -> io::Result<u8> {
        let mut sum = 0;
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            sum ^= seal(path)?;
        }
        Ok(sum)
    };
    thread::scope(|scope| {
        let other = scope.spawn(worker);
        let own = worker()?;
        let other = other
            .join()
            .map_err(|_| io::Error::other("a thread panicked"))??;
        Ok::<_, io::Error>(std::hint::black_box(own ^ other))
    })?;
    fs::set_permissions(&folder, Permissions::from_mode(0o555))?;
    fs::rename(&folder, root.join("files"))?;
    Ok(begun.elapsed())
}

/// Hashes a file and makes it read-only.
fn seal(path: &PathBuf) -> io::Result<u8> {
    use sha2::{Digest as _, Sha256};
    let mut file = File::open(path)?;
    file.set_permissions(Permissions::from_mode(0o444))?;
    let mut hasher = Sha256::new();
    let mut buffer = [0; 8 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()[0]),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Measures a load.
pub(super) fn run(options: &Options, table: &mut Table, folder: &Path, load: &Load) -> Result<()> {
    let at = |name: String| folder.join(format!("ingest-{}-{name}", load.name));
    // Runs a child process for `who` in `root`. Returns the time that it reports, and its memory.
    let said = |who: &str, root: &Path| -> Result<(Duration, String)> {
        let output = child_of("bulk")?
            .args([who, load.name])
            .arg(root)
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let said = String::from_utf8(output.stdout)?;
        let (seconds, memory) = said.trim().split_once(' ').ok_or("it says too little")?;
        if load.has_few_files() {
            remove(root)?;
        }
        Ok((Duration::from_secs_f64(seconds.parse()?), memory.to_owned()))
    };
    let mut memory = String::new();
    let mut ours = |round| {
        let said = said("ingest", &at(format!("{round}-ours")))?;
        memory = said.1;
        Ok(said.0)
    };
    let what = format!("ingest {}", load.name);
    let work = format!("ingest {}", load.what);
    let row = if load.files == 1 {
        let file = at("openssl".to_owned());
        fs::create_dir(&file)?;
        load.write(&file)?;
        let mut theirs = Command::new("openssl");
        theirs.args(["dgst", "-sha256"]).arg(file.join("00000"));
        let medians = contest(
            options,
            "bulk",
            &what,
            &mut [("ours", &mut ours), ("openssl", &mut |_| time(&mut theirs))],
        )?;
        remove(&file)?;
        Row::ratio(&work, medians[0], ("openssl dgst", medians[1]), 1.1)
    } else {
        let mut theirs = |round| Ok(said("ingest-bare", &at(format!("{round}-bare")))?.0);
        let medians = contest(
            options,
            "bulk",
            &what,
            &mut [("ours", &mut ours), ("bare", &mut theirs)],
        )?;
        Row::ratio(&work, medians[0], ("bare program", medians[1]), 1.3)
    };
    table.add(row);
    table.add(Row::fact(
        &format!("{work}: memory of the process at its most"),
        memory,
    ));
    Ok(())
}
