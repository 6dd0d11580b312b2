//! Power cuts: a file system on a loop device is shut down while processes publish in it, its journal unflushed, and then
//! mounted again as after a power cut.
//!
//! The shutdown is ext4's `EXT4_IOC_SHUTDOWN` and xfs's `XFS_IOC_GOINGDOWN`, both with `NOLOGFLUSH`: they are one ioctl
//! with one number, which `xfs_io -x -c shutdown` makes on either. What was acknowledged before it must be there.

use pylightnix::config::RRefId;
use pylightnix::prelude::Result;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::Figures;
use crate::invariants::{Expected, Violated, holds, holds_after};
use crate::scene::{command, place};
use crate::{Options, actor, unable};

/// So many cuts of each file system, unless told otherwise.
const CUTS: usize = 500;

/// The file systems, with the sizes of their disks in bytes: xfs takes no smaller one.
const KINDS: &[(&str, u64)] = &[("ext4", 96 << 20), ("xfs", 320 << 20)];

/// Runs it; with a count, so many cuts of each file system.
///
/// # Errors
/// That there are no loop devices, or no right to mount.
pub fn run(options: &Options) -> Result<Figures> {
    need_programs()?;
    let place = place()?;
    let ended: Vec<Result<Figures>> = thread::scope(|scope| {
        let workers: Vec<_> = (KINDS.iter())
            .map(|(kind, bytes)| {
                let place = place.path().join(kind);
                scope.spawn(move || cut_all(options, kind, *bytes, &place))
            })
            .collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        ended
            .map(|ended| ended.map_err(|_| unable("a worker panicked"))?)
            .collect()
    });
    let mut figures = Figures::default();
    for ended in ended {
        figures.add(ended?);
    }
    Ok(figures)
}

/// All cuts of one file system.
fn cut_all(options: &Options, kind: &str, bytes: u64, place: &Path) -> Result<Figures> {
    fs::create_dir(place)?;
    let disk = Disk {
        image: place.join("image"),
        at: place.join("disk"),
    };
    fs::create_dir(&disk.at)?;
    let empty = place.join("empty");
    fs::File::create(&empty)?.set_len(bytes)?;
    let quiet: &[&Path] = &[Path::new("-q"), &empty];
    command(&format!("mkfs.{kind}"), quiet)?;
    // A store with something in it that a root keeps.
    fs::copy(&empty, &disk.image)?;
    disk.mount()?;
    let root = disk.at.join("store");
    let text = root.to_string_lossy().into_owned();
    let kept = actor::run(&options.program, &["publish", &text, "kept", "3"])?;
    let last = kept.acknowledged.last();
    let last = last.ok_or_else(|| unable(format!("{kept:?}")))?.to_string();
    actor::run(&options.program, &["root", &text, &last, "keep"])?;
    disk.unmount()?;
    let prepared = place.join("prepared");
    fs::rename(&disk.image, &prepared)?;

    let mut figures = Figures::default();
    let mut chance = options.seed ^ bytes;
    for at in 0..options.count.unwrap_or(CUTS) {
        command(
            "cp",
            &[Path::new("--sparse=always"), &prepared, &disk.image],
        )?;
        disk.mount()?;
        let wait = Duration::from_millis(next(&mut chance) % 250);
        let acknowledged = cut(options, &disk, &text, wait)?;
        // Now it is as after a power cut: what is on the disk is what was written there.
        disk.unmount()?;
        disk.mount()?;
        let mut there: BTreeSet<RRefId> = kept.acknowledged.iter().cloned().collect();
        let expected_kept = there.clone();
        there.extend(acknowledged.iter().cloned());
        let expected = Expected {
            there,
            kept: expected_kept,
        };
        let verified: Violated = holds(&root, &expected)
            .and_then(|()| holds_after(&options.program, &root, &expected, 0));
        disk.unmount()?;
        figures.rounds += 1;
        figures.count(format!("{kind}: cuts"));
        *figures
            .counts
            .entry(format!("{kind}: acknowledgements before the cut"))
            .or_default() += acknowledged.len();
        if let Err(why) = verified {
            let violation = format!("{kind}, cut {at}, after {wait:?}: {why}");
            eprintln!("{violation}");
            figures.violations.push(violation);
        }
    }
    Ok(figures)
}

/// Lets processes publish, realize and collect, cuts the power after the first acknowledgement and some time more, and
/// says what was acknowledged before.
fn cut(options: &Options, disk: &Disk, root: &str, wait: Duration) -> Result<Vec<RRefId>> {
    const WORK: &[&[&str]] = &[
        &["publish", "ROOT", "cut", "100000"],
        &["realize", "ROOT", "10000", "0"],
        &["collect", "ROOT"],
    ];
    let read: Mutex<Vec<RRefId>> = Mutex::default();
    let mut children = Vec::new();
    for words in WORK {
        let words = words
            .iter()
            .map(|word| if *word == "ROOT" { root } else { word });
        let mut child = Command::new(&options.program);
        child.arg("actor").args(words).stdin(Stdio::null());
        children.push(Running(
            child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?,
        ));
    }
    thread::scope(|scope| {
        for child in &mut children {
            let Some(said) = child.0.stdout.take() else {
                continue;
            };
            let read = &read;
            scope.spawn(move || {
                for line in BufReader::new(said).lines().map_while(std::io::Result::ok) {
                    if let Some(Ok(rref)) = line.strip_prefix("ack ").map(str::parse) {
                        guard(read).push(rref);
                    }
                }
            });
        }
        let begun = Instant::now();
        while guard(&read).is_empty() && begun.elapsed() < Duration::from_secs(30) {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(wait);
        // Before the cut: what is read while it is made does not count.
        let acknowledged = guard(&read).clone();
        let cut = command(
            "xfs_io",
            &["-x".as_ref(), "-c".as_ref(), "shutdown".as_ref(), &*disk.at],
        );
        // They hold the disk, and their pipes are waited for here.
        children.clear();
        cut.map(|()| acknowledged)
    })
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process, killed with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file with a file system, mounted by a loop device.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    fn mount(&self) -> Result<()> {
        command(
            "mount",
            &["-o".as_ref(), "loop".as_ref(), &*self.image, &*self.at],
        )
    }

    /// Unmounts it; then neither the mount nor its loop device may be left, or the next round would see this one's memory.
    fn unmount(&self) -> Result<()> {
        let begun = Instant::now();
        // What a killed process had open is let go of a moment after its end.
        while let Err(error) = command("umount", &[&self.at]) {
            if begun.elapsed() > Duration::from_secs(10) {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(20));
        }
        loop {
            let mounts = fs::read_to_string("/proc/self/mounts")?;
            let device = Command::new("losetup")
                .arg("-j")
                .arg(&self.image)
                .output()?;
            let mounted = mounts.contains(&*self.at.to_string_lossy());
            if !mounted && device.status.success() && device.stdout.is_empty() {
                return Ok(());
            }
            // The kernel lets go of the device a moment later.
            if begun.elapsed() > Duration::from_secs(10) {
                let device = String::from_utf8_lossy(&device.stdout).into_owned();
                return Err(unable(format!(
                    "{} is still mounted ({mounted}) or has a device ({device})",
                    self.at.display()
                )));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing, unless a round was left in its midst.
        let _ = Command::new("umount")
            .arg(&self.at)
            .stderr(Stdio::null())
            .status();
    }
}

/// Installs what is missing where that is allowed.
fn need_programs() -> Result<()> {
    let needed = ["xfs_io", "mkfs.xfs", "mkfs.ext4", "losetup"];
    let missing = || {
        let is_there = |name: &&str| Command::new(*name).arg("-V").output().is_ok();
        needed.iter().find(|name| !is_there(name)).copied()
    };
    if missing().is_some() {
        for arguments in [
            ["update", "-q"].as_slice(),
            &["install", "-yq", "xfsprogs", "e2fsprogs", "mount"],
        ] {
            let _ = Command::new("apt-get").args(arguments).output();
        }
    }
    match missing() {
        None => Ok(()),
        Some(name) => Err(unable(format!(
            "no `{name}`: it is in the packages xfsprogs, e2fsprogs and mount"
        ))),
    }
}

/// The next of a sequence of numbers that look like chance (Steele, Lea, Flood: splitmix64, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
