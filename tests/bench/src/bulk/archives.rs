//! Packing and unpacking a store of one realization.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pylightnix::prelude::*;
use pylightnix::store::Durability;

use super::load::{Load, into_new, remove};
use crate::contest::{Contender, contest};
use crate::measure::{child as child_of, time};
use crate::options::Options;
use crate::table::{Row, Table};

/// Packs all of a store.
pub(super) fn pack(root: &Path, archive: &Path) -> Result<()> {
    let store = Store::open(root)?.with_durability(Durability::None);
    Ok(store.pack(store.rrefs()?, archive)?)
}

/// Unpacks into a new store.
pub(super) fn unpack(archive: &Path, root: &Path) -> Result<()> {
    let store = Store::open(root)?.with_durability(Durability::None);
    store.unpack(archive)?;
    Ok(())
}

/// Returns a shell command, in which `$1` and `$2` are two paths.
pub(super) fn shell(command: &str, first: &Path, second: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-ec", command, "sh"]).arg(first).arg(second);
    shell
}

/// Measures the store at `root`.
pub(super) fn run(
    options: &Options,
    table: &mut Table,
    folder: &Path,
    (load, root): (&Load, &Path),
) -> Result<()> {
    let objects = root.join("store-v1");
    let archive = |who: &str| folder.join(format!("{}-{who}", load.name));
    // Remove the archive of the previous round first, because overwriting takes time.
    let packed = |who: &str, command: &mut Command| -> Result<Duration> {
        remove(&archive(who))?;
        time(command)
    };
    let mut ours = |_| {
        let command = &mut child_of("bulk")?;
        packed(
            "ours.zip",
            command.arg("pack").arg(root).arg(archive("ours.zip")),
        )
    };
    let (who, file, command, bar) = match load.text {
        true => (
            "zip -1",
            "theirs.zip",
            r#"cd "$1" && zip -1 -r -q "$2" ."#,
            1.0,
        ),
        false => ("tar", "theirs.tar", r#"tar -cf "$2" -C "$1" ."#, 2.0),
    };
    let mut theirs = |_| packed(file, &mut shell(command, &objects, &archive(file)));
    let mut contenders: [Contender<'_>; 2] = [("ours", &mut ours), (who, &mut theirs)];
    let what = format!("pack {}", load.name);
    let medians = contest(options, "bulk", &what, &mut contenders)?;
    let work = format!("pack {}", load.what);
    table.add(Row::ratio(&work, medians[0], (who, medians[1]), bar));
    if load.text {
        let sizes = [archive("ours.zip"), archive(file)].map(size);
        let [ours, theirs] = sizes.map(|size| size.unwrap_or(0) as f64 / f64::from(1 << 20));
        let work = format!("{work}: size of the archive");
        table.add(Row::fact(
            &work,
            format!("{ours:.1} MiB; {who}: {theirs:.1} MiB"),
        ));
    }
    // Write dirty pages back now, so that this does not happen during other measurements.
    rustix::fs::sync();

    let mut ours = |round| {
        into_new(folder, load, &format!("{round}-ours"), |target| {
            let mut command = child_of("bulk")?;
            command.arg("unpack").arg(archive("ours.zip")).arg(target);
            Ok(command)
        })
    };
    let (who, file, command, bar) = match load.text {
        true => ("unzip", "ours.zip", r#"unzip -q "$1" -d "$2""#, 1.0),
        false => (
            "tar, then openssl dgst",
            "theirs.tar",
            r#"mkdir "$2" && tar -xf "$1" -C "$2" && find "$2" -type f -print0 | xargs -0 openssl dgst -sha256"#,
            1.2,
        ),
    };
    let mut theirs = |round| {
        into_new(folder, load, &format!("{round}-theirs"), |target| {
            Ok(shell(command, &archive(file), target))
        })
    };
    let mut contenders: [Contender<'_>; 2] = [("ours", &mut ours), (who, &mut theirs)];
    let what = format!("unpack {}", load.name);
    let medians = contest(options, "bulk", &what, &mut contenders)?;
    let work = format!("unpack {}", load.what);
    table.add(Row::ratio(&work, medians[0], (who, medians[1]), bar));
    for file in ["ours.zip", "theirs.zip", "theirs.tar"] {
        remove(&archive(file))?;
    }
    Ok(())
}

fn size(path: PathBuf) -> Result<u64> {
    Ok(fs::metadata(path)?.len())
}
