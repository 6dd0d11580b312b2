//! A store that is used through two file systems at once, one of which does not pass on locks: a disk, and a FUSE file
//! system over the same folder (`bindfs`), as with sshfs or virtiofs. A process there cannot see whether a process on the
//! other side lives, and must not remove anything that it uses or builds.

use pylightnix::prelude::Result;
use pylightnix::store::Store;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::actor;
use crate::crowd::Member;
use crate::figures::Figures;
use crate::install::install;
use crate::invariants::{Expected, Violated, holds};
use crate::scene::{Scene, command, place};
use crate::{Options, unable};

/// A scenario on both sides.
type Play = fn(&Sides<'_>) -> Result<Violated>;

/// The scenarios, each with the sides by which the store is used.
const PLAYS: &[(&str, Play, &[&str])] = &[
    (
        "a collection beside a use",
        collected_beside_a_use,
        &["view", "disk"],
    ),
    (
        "a build beside a sweep",
        built_beside_a_sweep,
        &["view", "disk"],
    ),
    // What is built on a disk says that its lock can be seen.
    (
        "a log of another machine",
        followed_from_another_machine,
        &["view"],
    ),
];

/// Runs each scenario.
///
/// # Errors
/// Fails if `bindfs` is missing or may not mount.
pub(crate) fn run(options: &Options) -> Result<Figures> {
    need_bindfs()?;
    let place = place()?;
    let scene = Scene::new(&options.program, place.path())?;
    let mut figures = Figures::default();
    for (name, play, used_by) in PLAYS {
        for using in *used_by {
            scene.reset()?;
            let view = View::mount(&scene.path("store"), &place.path().join("view"))?;
            let disk = scene.path("store");
            let (used, other) = match *using {
                "view" => (&view.at, &disk),
                _ => (&disk, &view.at),
            };
            let sides = Sides {
                program: &options.program,
                scene: &scene,
                used: used.display().to_string(),
                other: other.display().to_string(),
            };
            figures.rounds += 1;
            match play(&sides)? {
                Ok(()) => figures.count(format!("{name}, used by the {using}")),
                Err(why) => {
                    (figures.violations).push(format!("{name}, used by the {using}: {why}"))
                }
            }
        }
    }
    Ok(figures)
}

/// The two paths of one store.
struct Sides<'a> {
    program: &'a Path,
    scene: &'a Scene,
    /// The path of the process that uses the store.
    used: String,
    /// The path of the other process.
    other: String,
}

impl Sides<'_> {
    fn start(&self, arguments: &[&str]) -> Result<Member> {
        Member::start(self.program, arguments)
    }

    fn all(&self) -> Expected {
        Expected {
            there: self.scene.all.clone(),
            kept: self.scene.kept.iter().cloned().collect(),
        }
    }
}

/// A collection on one side removes nothing that is used on the other side.
fn collected_beside_a_use(sides: &Sides<'_>) -> Result<Violated> {
    let held = &sides.scene.garbage[2];
    let mut holder = sides.start(&["hold", &sides.used, &held.to_string()])?;
    while holder.acknowledged()?.is_empty() && holder.is_running()? {
        thread::sleep(Duration::from_millis(2));
    }
    let collected = actor::run(sides.program, &["gc", &sides.other])?;
    if !collected.is_orderly() {
        return Err(unable(format!("{collected:?}")));
    }
    let ended = holder.let_go()?;
    if !ended.is_good() {
        return Ok(Err(format!("what is used is gone: {}", ended.error)));
    }
    let mut expected = sides.all();
    expected.there = [held.clone()].into();
    Ok(holds(&sides.scene.path("store"), &expected))
}

/// A sweep on one side removes no build that runs on the other side.
fn built_beside_a_sweep(sides: &Sides<'_>) -> Result<Violated> {
    let mut building = sides.start(&["halt in a build", &sides.used, "2", "300"])?;
    building.wait_until_made()?;
    let other = actor::run(sides.program, &["publish", &sides.other, "other", "1"])?;
    if !other.is_good() {
        return Err(unable(format!("{other:?}")));
    }
    let ended = building.let_go()?;
    if !ended.is_good() {
        return Ok(Err(format!("a build was swept away: {}", ended.error)));
    }
    let mut expected = sides.all();
    expected.there.extend(other.acknowledged);
    expected.there.extend(ended.acknowledged);
    Ok(holds(&sides.scene.path("store"), &expected))
}

/// The log of a build of another machine can be followed until it ends.
fn followed_from_another_machine(sides: &Sides<'_>) -> Result<Violated> {
    let mut machine = Command::new("unshare");
    let script = "hostname elsewhere && exec \"$0\" actor \"$@\"";
    machine
        .args(["--uts", "sh", "-c", script])
        .arg(sides.program)
        .args(["halt in a build", &sides.used, "2", "300"]);
    let mut building = Member::run(machine)?;
    building.wait_until_made()?;
    let store = Store::open(&sides.other)?;
    let running = store.running()?;
    let [build] = running.as_slice() else {
        return Ok(Err(format!("these builds are seen: {running:?}")));
    };
    if build.process != Some(building.id()) {
        return Ok(Err(format!("it is not seen whose it is: {build:?}")));
    }
    let mut log = build.follow()?;
    let follow = thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    thread::sleep(Duration::from_millis(300));
    let ended_early = follow.is_finished();
    let ended = building.let_go()?;
    if ended_early || !ended.is_good() {
        return Ok(Err(format!("followed to its end too early, or {ended:?}")));
    }
    let _ = follow.join();
    match store.running()?.as_slice() {
        [] => Ok(Ok(())),
        left => Ok(Err(format!("these are said to run: {left:?}"))),
    }
}

/// A folder through a FUSE file system, unmounted on drop.
struct View {
    at: PathBuf,
}

impl View {
    fn mount(folder: &Path, at: &Path) -> Result<Self> {
        fs::create_dir_all(at)?;
        command("bindfs", &[folder, at])?;
        Ok(View { at: at.to_owned() })
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Installs `bindfs` if it is missing and installing is permitted.
fn need_bindfs() -> Result<()> {
    let is_there = || Command::new("bindfs").arg("-V").output().is_ok();
    install(&["bindfs"], is_there)?;
    match is_there() {
        true => Ok(()),
        false => Err(unable("no `bindfs`, of the package of that name")),
    }
}
