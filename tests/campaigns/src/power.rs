//! Power cuts: a file system on a loop device is shut down without flushing its journal while processes publish in it, and
//! then mounted again.
//!
//! The shutdown is ext4's `EXT4_IOC_SHUTDOWN` and xfs's `XFS_IOC_GOINGDOWN`, both with `NOLOGFLUSH`: they are the same
//! ioctl, which `xfs_io -x -c shutdown` calls on either. Everything that was acknowledged before it must exist.

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
use crate::install::install;
use crate::invariants::{Expected, Violated, holds, holds_after};
use crate::scene::{command, place};
use crate::{Options, actor, unable};

/// The default number of cuts of each file system.
const CUTS: usize = 500;

/// The file systems, with the sizes of their disks in bytes; xfs needs the larger one.
pub(crate) const KINDS: &[(&str, u64)] = &[("ext4", 96 << 20), ("xfs", 320 << 20)];

/// Runs the campaign; a count is the number of cuts of each file system.
///
/// # Errors
/// Fails without loop devices, or without permission to mount.
pub fn run(options: &Options) -> Result<Figures> {
    need_programs()?;
    let place = place()?;
    let tell = |violation: &str| eprintln!("{violation}");
    let ended: Vec<Result<Figures>> = thread::scope(|scope| {
        let workers: Vec<_> = (KINDS.iter())
            .map(|(kind, bytes)| {
                let place = place.path().join(kind);
                scope.spawn(move || cut_all(options, kind, *bytes, &place, &tell))
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

/// Makes all cuts of one file system. Violations are passed to `tell` immediately, because a campaign may take long.
pub(crate) fn cut_all(
    options: &Options,
    kind: &str,
    bytes: u64,
    place: &Path,
    tell: &dyn Fn(&str),
) -> Result<Figures> {
    let prepared = Prepared::new(&options.program, kind, bytes, place)?;
    let mut figures = Figures::default();
    let mut chance = options.seed ^ bytes;
    for at in 0..options.count.unwrap_or(CUTS) {
        prepared.mount()?;
        let wait = Duration::from_millis(next(&mut chance) % 250);
        let acknowledged = cut_under_load(options, &prepared, wait)?;
        let verified = prepared.verify(&options.program, &acknowledged)?;
        figures.rounds += 1;
        figures.count(format!("{kind}: cuts"));
        *figures
            .counts
            .entry(format!("{kind}: acknowledgements before the cut"))
            .or_default() += acknowledged.len();
        if let Err(why) = verified {
            let violation = format!("{kind}, cut {at}, after {wait:?}: {why}");
            tell(&violation);
            figures.violations.push(violation);
        }
    }
    Ok(figures)
}

/// A file system that is equal at the beginning of each round: a store with a realization that a root protects.
pub(crate) struct Prepared {
    /// The image of the disk at the beginning of each round.
    image: PathBuf,
    disk: Disk,
    /// The path of the store while it is mounted.
    pub root: PathBuf,
    kept: BTreeSet<RRefId>,
}

impl Prepared {
    /// Creates it in `place`, a folder that does not exist yet.
    pub(crate) fn new(program: &Path, kind: &str, bytes: u64, place: &Path) -> Result<Self> {
        fs::create_dir(place)?;
        let disk = Disk {
            image: place.join("image"),
            at: place.join("disk"),
        };
        fs::create_dir(&disk.at)?;
        fs::File::create(&disk.image)?.set_len(bytes)?;
        let quiet: &[&Path] = &[Path::new("-q"), &disk.image];
        command(&format!("mkfs.{kind}"), quiet)?;
        disk.mount()?;
        let root = disk.at.join("store");
        let text = root.to_string_lossy().into_owned();
        let kept = actor::run(program, &["publish", &text, "kept", "3"])?;
        let last = kept.acknowledged.last();
        let last = last.ok_or_else(|| unable(format!("{kept:?}")))?.to_string();
        actor::run(program, &["root", &text, &last, "keep"])?;
        disk.unmount()?;
        let image = place.join("prepared");
        fs::rename(&disk.image, &image)?;
        Ok(Prepared {
            image,
            disk,
            root,
            kept: kept.acknowledged.into_iter().collect(),
        })
    }

    /// Mounts it in its original state.
    pub(crate) fn mount(&self) -> Result<()> {
        let from: &Path = &self.image;
        command(
            "cp",
            &[Path::new("--sparse=always"), from, &self.disk.image],
        )?;
        self.disk.mount()
    }

    /// Cuts the power.
    pub(crate) fn cut(&self) -> Result<()> {
        let at: &Path = &self.disk.at;
        command(
            "xfs_io",
            &["-x".as_ref(), "-c".as_ref(), "shutdown".as_ref(), at],
        )
    }

    /// Mounts it after the power cut, verifies it, and unmounts it.
    pub(crate) fn verify(&self, program: &Path, acknowledged: &[RRefId]) -> Result<Violated> {
        // Unmounting discards the caches, so that the disk holds only what was written.
        self.disk.unmount()?;
        self.disk.mount()?;
        let mut there = self.kept.clone();
        there.extend(acknowledged.iter().cloned());
        let expected = Expected {
            there,
            kept: self.kept.clone(),
        };
        let verified = holds(&self.root, &expected)
            .and_then(|()| holds_after(program, &self.root, &expected, 0));
        self.unmount()?;
        Ok(verified)
    }

    /// Unmounts it.
    pub(crate) fn unmount(&self) -> Result<()> {
        self.disk.unmount()
    }
}

/// Lets processes publish, realize and collect, cuts the power some time after the first acknowledgement, and returns the
/// acknowledgements from before the cut.
fn cut_under_load(options: &Options, prepared: &Prepared, wait: Duration) -> Result<Vec<RRefId>> {
    const WORK: &[&[&str]] = &[
        &["publish", "ROOT", "cut", "100000"],
        &["realize", "ROOT", "10000", "0"],
        &["carry on", "ROOT", "carried"],
        &["collect", "ROOT"],
    ];
    let root = prepared.root.to_string_lossy();
    let read: Mutex<Vec<RRefId>> = Mutex::default();
    let mut children = Vec::new();
    for words in WORK {
        let words = words
            .iter()
            .map(|word| if *word == "ROOT" { &*root } else { word });
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
        // Taken before the cut: acknowledgements during the cut do not count.
        let acknowledged = guard(&read).clone();
        let cut = prepared.cut();
        // The processes keep the disk busy, and their pipes are read here.
        children.clear();
        cut.map(|()| acknowledged)
    })
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child process, killed on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file with a file system, mounted through a loop device.
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

    /// Unmounts it, and checks that neither the mount nor the loop device is left: otherwise the next round would see cached
    /// data.
    fn unmount(&self) -> Result<()> {
        let begun = Instant::now();
        // The files of a killed process are closed shortly after its end.
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
            // The kernel releases the device shortly afterwards.
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
        // Does nothing unless a round was interrupted.
        let _ = Command::new("umount")
            .arg(&self.at)
            .stderr(Stdio::null())
            .status();
    }
}

/// Installs missing programs if that is permitted.
pub(crate) fn need_programs() -> Result<()> {
    let needed = ["xfs_io", "mkfs.xfs", "mkfs.ext4", "losetup"];
    let missing = || {
        let is_there = |name: &&str| Command::new(*name).arg("-V").output().is_ok();
        needed.iter().find(|name| !is_there(name)).copied()
    };
    install(&["xfsprogs", "e2fsprogs", "mount"], || missing().is_none())?;
    match missing() {
        None => Ok(()),
        Some(name) => Err(unable(format!(
            "no `{name}`: it is in the packages xfsprogs, e2fsprogs and mount"
        ))),
    }
}

/// Returns the next pseudo-random number (Steele, Lea, Flood: splitmix64, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
