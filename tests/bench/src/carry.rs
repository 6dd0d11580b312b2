//! Carrying results of stages into another context, compared with a minimal program that makes the same links and files with the
//! same fsyncs.
//!
//! Both are child processes on a fresh copy of a store, and each reports the time of its work, without startup and without
//! reading its input. Dirty pages are written back before each measurement.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pylightnix::config::{ConfigJson, RRefId};
use pylightnix::prelude::*;
use pylightnix::store::{BuildKind, BuildRecord, Context, Durability, Outcome, Realization};

use crate::cold::bare::{Syncers, list, name, rename, write_new};
use crate::cold::{make_removable, system_calls, write};
use crate::contest::contest;
use crate::measure::{child as child_of, said_time};
use crate::options::Options;
use crate::table::{Row, Table};

/// The number of stages.
const STAGES: u64 = 1_000;
/// The size of the file of each stage.
const BYTES: u64 = 100;
/// The maximum time relative to the minimal program.
const BAR: f64 = 1.5;
/// The durabilities of a store.
const DURABILITIES: [&str; 2] = ["full", "none"];
/// The name of the derivation that all others depend on.
const BASE: &str = "base";

/// `fill STORE` makes the results. `ours DURABILITY STORE` and `bare DURABILITY STORE CARRIED` carry them, and print the seconds
/// that it took; the latter makes what is in the store `CARRIED`, in which they are carried.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let durability = |word: &str| match word {
        "full" => Durability::Full,
        _ => Durability::None,
    };
    let time = match args {
        ["fill", root] => return fill(root.as_ref()),
        ["ours", word, root] => ours(&Store::open(root)?.with_durability(durability(word)))?,
        ["bare", word, root, carried] => bare(root.as_ref(), carried.as_ref(), durability(word))?,
        _ => return Err("fill, ours or bare, and a store".into()),
    };
    println!("{}", time.as_secs_f64());
    Ok(())
}

fn base() -> Result<ConfigJson> {
    Ok(ConfigJson::from_json(&format!(r#"{{"name": "{BASE}"}}"#))?)
}

/// Publishes a result with a file, whose content is given by a number.
fn publish(store: &Store, config: &ConfigJson, context: &Context, number: u64) -> Result<RRefId> {
    let mut draft = store.plumbing().draft()?;
    write(&draft.out().join("data"), number, BYTES)?;
    let build = BuildRecord::now(BuildKind::Build);
    Ok(draft.publish(config, context, Outcome::Ok, &build)?.id)
}

/// Makes two results of one derivation, and a result of each of many others from the first.
fn fill(root: &Path) -> Result<()> {
    let store = Store::open(root)?.with_durability(Durability::None);
    let base = base()?;
    let first = publish(&store, &base, &Context::empty(), 0)?;
    publish(&store, &base, &Context::empty(), 1)?;
    let context = Context::from_iter([first]);
    for number in 0..STAGES {
        let on = base.id();
        let text = format!(r#"{{"name": "stage", "on": "{on}", "number": {number}}}"#);
        publish(&store, &ConfigJson::from_json(&text)?, &context, number)?;
    }
    Ok(())
}

/// Carries all results that were made from the first result of the base to the second.
fn ours(store: &Store) -> Result<Duration> {
    let mut results: Vec<Realization> = Vec::new();
    for rref in store.rrefs()? {
        if rref.name().as_str() != BASE {
            results.push(store.realization(&rref)?);
        }
    }
    let first = results.first().ok_or("no results")?;
    let bases = store.rrefs_of(base()?.id())?;
    let other = (bases.into_iter()).find(|rref| first.context.get(rref.dref()) != [rref.clone()]);
    let context: Context = other.into_iter().collect();
    let begun = Instant::now();
    for result in &results {
        let builds: Vec<&BuildRecord> = result.builds().iter().collect();
        store.plumbing().carry(result, &context, &builds)?;
    }
    let time = begun.elapsed();
    match results.len() as u64 {
        STAGES => Ok(time),
        found => Err(format!("{found} of {STAGES} results").into()),
    }
}

/// A realization to make by links.
struct Link {
    from: PathBuf,
    /// Its folder's path below the store.
    to: PathBuf,
    /// The record and the build record, with their contents.
    beside: Vec<(String, Vec<u8>)>,
}

/// Makes the realizations that are in `carried` and not in `root`, by links to the one of their derivation that is there.
fn bare(root: &Path, carried: &Path, durability: Durability) -> Result<Duration> {
    let mut links = Vec::new();
    for derivation in list(&carried.join("store-v1"))? {
        let here = root.join("store-v1").join(name(&derivation));
        for folder in list(&derivation)?.into_iter().filter(|path| path.is_dir()) {
            if here.join(name(&folder)).exists() {
                continue;
            }
            let old = list(&here)?.into_iter().find(|path| path.is_dir());
            let files = list(&folder)?.into_iter().filter(|path| path.is_file());
            links.push(Link {
                from: old.ok_or("nothing to carry")?.join("out/data"),
                to: folder.strip_prefix(carried)?.to_owned(),
                beside: files
                    .map(|path| Ok((name(&path), fs::read(&path)?)))
                    .collect::<io::Result<_>>()?,
            });
        }
    }
    fs::create_dir_all(root.join("tmp/bare"))?;
    let syncers = Syncers::start(durability == Durability::Full);
    let begun = Instant::now();
    for (at, link) in links.iter().enumerate() {
        link.make(&root.join("tmp/bare").join(at.to_string()), root, &syncers)?;
    }
    let time = begun.elapsed();
    match links.len() as u64 {
        STAGES => Ok(time),
        found => Err(format!("{found} of {STAGES} links").into()),
    }
}

impl Link {
    fn make(&self, folder: &Path, root: &Path, syncers: &Syncers) -> io::Result<()> {
        let out = folder.join("out");
        fs::create_dir(folder)?;
        fs::create_dir(&out)?;
        fs::hard_link(&self.from, out.join("data"))?;
        fs::set_permissions(&out, Permissions::from_mode(0o555))?;
        let mut unsynced = Vec::new();
        for (name, bytes) in &self.beside {
            unsynced.push(write_new(folder.join(name), bytes)?);
        }
        unsynced.extend([(out, None), (folder.to_owned(), None)]);
        syncers.sync(unsynced)?;
        let to = root.join(&self.to);
        rename(folder, &to)?;
        let derivation = to.parent().unwrap_or(root).to_owned();
        syncers.sync(vec![(derivation, None)])
    }
}

/// Measures both as processes.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    let place = |name: &str| folder.path().join(name);
    let filled = place("filled");
    done(child_of("carry")?.arg("fill").arg(&filled))?;
    let carried = copy(&filled, &place("carried"))?;
    done(child_of("carry")?.args(["ours", "none"]).arg(&carried))?;
    // A fresh copy for each measurement.
    let ours = |durability: &str, to: &str| -> Result<Command> {
        let root = copy(&filled, &place(to))?;
        let mut command = child_of("carry")?;
        command.args(["ours", durability]).arg(root);
        Ok(command)
    };
    let bare = |durability: &str, to: &str| -> Result<Command> {
        let root = copy(&filled, &place(to))?;
        let mut command = child_of("carry")?;
        command.args(["bare", durability]).arg(root).arg(&carried);
        Ok(command)
    };
    let timed = |mut command: Command| {
        rustix::fs::sync();
        said_time(&mut command)
    };
    for durability in DURABILITIES {
        let work = format!("carry {STAGES} stages of a file, durability `{durability}`");
        let medians = contest(
            options,
            "carry",
            durability,
            &mut [
                ("ours", &mut |round| {
                    timed(ours(durability, &format!("{durability}-ours-{round}"))?)
                }),
                ("bare", &mut |round| {
                    timed(bare(durability, &format!("{durability}-bare-{round}"))?)
                }),
            ],
        )?;
        table.add(Row::ratio(&work, medians[0], ("bare", medians[1]), BAR));
    }
    let calls = |command: Command| system_calls(&command, &place("calls"));
    let (ours, bare) = (
        calls(ours("full", "counted-ours")?)?,
        calls(bare("full", "counted-bare")?)?,
    );
    let figure = match (ours, bare) {
        (Some(ours), Some(bare)) => {
            let each = |calls: u64| calls as f64 / STAGES as f64;
            format!("{:.1}; bare: {:.1}", each(ours), each(bare))
        }
        _ => "?".to_owned(),
    };
    let work = format!(
        "carry {STAGES} stages of a file, durability `full`: system calls of a stage, with reading its input"
    );
    table.add(Row::fact(&work, figure));
    make_removable(folder.path())
}

fn done(command: &mut Command) -> Result<()> {
    match command.output()?.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed").into()),
    }
}

/// Copies a store with its modes.
fn copy(from: &Path, to: &Path) -> Result<PathBuf> {
    done(Command::new("cp").arg("-a").arg(from).arg(to))?;
    Ok(to.to_owned())
}
