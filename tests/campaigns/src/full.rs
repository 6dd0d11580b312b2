//! Full disks: a file system in memory with limited space or inodes, so that every step of an operation meets a full disk in
//! some round.
//!
//! The space grows from nothing, by one page or inode per round, until the operation succeeds. After every failure the
//! invariants hold, a collection works without free space, and with enough space a normal run succeeds.

use pylightnix::config::RRefId;
use pylightnix::prelude::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::store::Mount;

use crate::actor;
use crate::figures::Figures;
use crate::invariants::{Expected, Violated, holds, holds_after};
use crate::scene::{Scene, command, copy, place};
use crate::{Options, unable};

/// The size of a page, in which such a file system allocates space.
const PAGE: u64 = 4096;
/// Enough space for everything.
const ROOMY: u64 = 64 << 20;
/// Enough inodes for everything.
const MANY: u64 = 100_000;

/// The limited resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Pages,
    Inodes,
}

/// The operations, with the arguments of the actor; a name in braces is a path in the scene, of which `{store}` is on the
/// full disk.
const OPERATIONS: &[(&str, &[&str])] = &[
    ("publish", &["publish", "{store}", "new", "2"]),
    ("publish again", &["publish", "{store}", "garbage", "2"]),
    ("carry", &["carry", "{store}", "garbage"]),
    ("realize", &["realize", "{store}", "2", "100"]),
    (
        "realize in processes",
        &["realize in processes", "{store}", "2", "100"],
    ),
    ("fail", &["fail", "{store}"]),
    ("gc", &["gc", "{store}"]),
    ("unpack", &["unpack", "{store}", "{peer.zip}"]),
    ("copy", &["copy", "{store}", "{peer}"]),
    ("root", &["root", "{store}", "{kept}", "another"]),
    ("note", &["note", "{store}", "{kept}"]),
    ("repair", &["repair", "{store}", "{peer}"]),
    ("make a store", &["publish", "{fresh}", "new", "1"]),
];

/// Runs the campaign.
///
/// # Errors
/// Fails if file systems cannot be mounted here.
pub fn run(options: &Options) -> Result<Figures> {
    let place = place()?;
    let scene = Scene::new(&options.program, place.path())?;
    scene.reset()?;
    let disk = place.path().join("disk");
    std::fs::create_dir(&disk)?;
    need_mounts(&disk)?;
    let mut figures = Figures::default();
    let kinds: Vec<_> = [Limit::Pages, Limit::Inodes]
        .into_iter()
        .flat_map(|limit| OPERATIONS.iter().map(move |operation| (limit, operation)))
        .filter(|(_, (name, _))| options.takes(name))
        .collect();
    for (done, (limit, operation)) in kinds.iter().enumerate() {
        // With a count, each kind gets an equal part of the rest, spread over its steps.
        let most = options
            .count
            .map(|count| count.saturating_sub(figures.rounds) / (kinds.len() - done));
        let last = last_step(options, &scene, &disk, *limit, operation)?;
        let steps = last + 1;
        let rounds = most.unwrap_or(steps).min(steps);
        for round in 0..rounds {
            let step = (round * steps / rounds) as u64;
            figures.add(one(options, &scene, &disk, *limit, operation, step)?);
        }
    }
    Ok(figures)
}

/// Fails with an explanation if file systems cannot be mounted.
fn need_mounts(disk: &Path) -> Result<()> {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "none"])
        .arg(disk)
        .output()?;
    if !mounted.status.success() {
        let said = String::from_utf8_lossy(&mounted.stderr);
        return Err(unable(format!("nothing may be mounted here: {said}")));
    }
    command("umount", &[disk])
}

/// Returns the first step at which nothing is full.
fn last_step(
    options: &Options,
    scene: &Scene,
    disk: &Path,
    limit: Limit,
    operation: &(&str, &[&str]),
) -> Result<usize> {
    let succeeds = |step| -> Result<bool> {
        let _mount = fill(scene, disk, limit, operation.0, step)?;
        let told = told(scene, disk, operation.1);
        Ok(act(options, &told)?.is_good())
    };
    let (mut fails, mut works) = (None, 1);
    while !succeeds(works)? {
        fails = Some(works);
        works *= 2;
        if works > ROOMY / PAGE {
            return Err(unable(format!("{} never succeeds", operation.0)));
        }
    }
    while fails.map_or(0, |fails| fails + 1) < works {
        let middle = (fails.map_or(0, |fails| fails + 1) + works) / 2;
        if succeeds(middle)? {
            works = middle;
        } else {
            fails = Some(middle);
        }
    }
    Ok(works as usize)
}

/// Runs one round, with `step` free pages or inodes.
fn one(
    options: &Options,
    scene: &Scene,
    disk: &Path,
    limit: Limit,
    operation: &(&str, &[&str]),
    step: u64,
) -> Result<Figures> {
    let (name, words) = operation;
    let mount = fill(scene, disk, limit, name, step)?;
    let told = told(scene, disk, words);
    let ended = act(options, &told)?;
    let verified = verify(options, scene, &mount, limit, &told, &ended);
    let mut figures = Figures {
        rounds: 1,
        ..Figures::default()
    };
    let what = match limit {
        Limit::Pages => "pages",
        Limit::Inodes => "inodes",
    };
    let how = if ended.is_good() {
        "succeeded"
    } else {
        "was refused"
    };
    figures.count(format!("{name}, {what}: {how}"));
    if let Err(why) = verified {
        let violation = format!("{name} with {step} {what} free: {why}");
        eprintln!("{violation}");
        figures.violations.push(violation);
    }
    Ok(figures)
}

fn verify(
    options: &Options,
    scene: &Scene,
    mount: &Mount,
    limit: Limit,
    told: &[String],
    ended: &actor::Ended,
) -> Violated {
    if !ended.is_orderly() || ended.signal.is_some() {
        return Err(format!("it ended with {ended:?}"));
    }
    let said = |error: pylightnix::BoxError| error.to_string();
    let (operation, root) = (told[0].as_str(), PathBuf::from(&told[1]));
    let mut expected = Expected::default();
    expected.there.extend(ended.acknowledged.iter().cloned());
    let is_new = root.ends_with("fresh");
    if !is_new {
        expected.kept.extend(scene.kept.iter().cloned());
    }
    match operation {
        "root" => expected.kept.append(&mut expected.there),
        "gc" | "repair" => {}
        _ if is_new => {}
        _ => expected.there.extend(scene.all.iter().cloned()),
    }
    if is_new {
        // A store whose creation was interrupted needs space to be completed.
        resize(&mount.at, ROOMY, MANY).map_err(said)?;
    }
    if operation != "repair" {
        holds(&root, &expected)?;
    }
    if !is_new {
        limit_to(&mount.at, limit, 0).map_err(said)?;
        let collected = act(options, &["gc".to_owned(), told[1].clone()]).map_err(said)?;
        if !collected.is_good() {
            return Err(format!("a gc with nothing free: {collected:?}"));
        }
        resize(&mount.at, ROOMY, MANY).map_err(said)?;
    }
    if operation == "repair" {
        let again = act(options, told).map_err(said)?;
        if !again.is_good() {
            return Err(format!("repairing again: {again:?}"));
        }
    }
    // Only protected realizations must still exist.
    let kept: BTreeSet<RRefId> = expected.kept;
    let there = BTreeSet::new();
    holds_after(&options.program, &root, &Expected { there, kept }, 0)
}

fn act(options: &Options, told: &[String]) -> Result<actor::Ended> {
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    actor::run(&options.program, &told)
}

fn told(scene: &Scene, disk: &Path, words: &[&str]) -> Vec<String> {
    let filled = |word: &&str| match *word {
        "{store}" => disk.join("store").to_string_lossy().into_owned(),
        "{fresh}" => disk.join("fresh").to_string_lossy().into_owned(),
        "{peer}" => scene.text("peer"),
        "{peer.zip}" => scene.text("peer.zip"),
        "{kept}" => scene.kept[1].to_string(),
        word => word.to_owned(),
    };
    words.iter().map(filled).collect()
}

/// Creates a disk with the store, or with the damaged store for a repair, and with this much free space.
fn fill(scene: &Scene, disk: &Path, limit: Limit, name: &str, step: u64) -> Result<Mount> {
    let mount = Mount::new(disk, &format!("size={ROOMY},nr_inodes={MANY}"));
    let from = if name == "repair" { "broken" } else { "store" };
    copy(&scene.path(from), &disk.join("store"))?;
    limit_to(disk, limit, step)?;
    Ok(mount)
}

/// Limits the free space or the free inodes.
fn limit_to(disk: &Path, limit: Limit, step: u64) -> Result<()> {
    let used = rustix::fs::statvfs(disk)?;
    let pages = used.f_blocks - used.f_bfree
        + if limit == Limit::Pages {
            step
        } else {
            ROOMY / PAGE
        };
    let inodes = used.f_files - used.f_ffree + if limit == Limit::Inodes { step } else { MANY };
    resize(disk, pages * PAGE, inodes)
}

fn resize(disk: &Path, bytes: u64, inodes: u64) -> Result<()> {
    let options = format!("remount,size={bytes},nr_inodes={inodes}");
    command("mount", &[Path::new("-o"), Path::new(&options), disk])
}
