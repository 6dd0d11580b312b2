//! Skips locks: processes halt where a lock excludes others, other processes run as far as they can, and then all continue.
//! Nothing here depends on timing.

use pylightnix::config::RRefId;
use pylightnix::prelude::Result;
use pylightnix::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::program;
use crate::actor::{self, Ended};
use crate::crowd::Member;
use crate::figures::Figures;
use crate::invariants::{Expected, Violated, holds};
use crate::scene::Scene;
use crate::{Options, race, unable};

/// A process that does not reach its halting point in this time hangs.
const LONGEST: Duration = Duration::from_secs(60);
/// The number of processes that arrive while a collection waits.
const COMING: usize = 5;
/// The plan whose stages are built, with two layers.
const PLAN: [&str; 2] = ["2", "300"];
/// The number of racing processes.
const RACING: usize = 16;
/// The number of races, until one of them reveals that there are no locks.
const RACES: u64 = 5;

/// A scenario that must hold with a lock and fail without it.
type Play = fn(&Stage<'_>) -> Result<Violated>;

const PLAYS: &[(&str, Play)] = &[
    ("gate", overtaken),
    ("gc", removed_from_under),
    ("sweep", forgotten),
    ("b/*", built_twice),
];

/// Runs the campaign.
///
/// # Errors
/// Fails if a process cannot be started, hangs, or fails unexpectedly.
pub(super) fn run(options: &Options, scene: &Scene) -> Result<Figures> {
    let mut figures = Figures::default();
    let mut judge = |name: &str, is_left_out: bool, held: Violated| {
        figures.rounds += 1;
        match (is_left_out, held) {
            (false, Ok(())) => figures.count(format!("locks/{name}: holds with it")),
            (false, Err(why)) => figures.violations.push(format!("locks/{name}: {why}")),
            (true, Err(why)) => {
                let why = why.lines().next().unwrap_or_default();
                println!("locks/{name} left out: {why}");
                figures.count(format!("locks/{name}: left out, noticed"));
            }
            (true, Ok(())) => (figures.violations)
                .push(format!("locks/{name}: nobody notices that it is left out")),
        }
    };
    for (name, play) in PLAYS {
        for is_left_out in [false, true] {
            let locks = match *name {
                "b/*" => build_locks(options, &scene.path("store"), &PLAN, || scene.reset())?,
                name => vec![scene.path("store/locks").join(name)],
            };
            scene.reset()?;
            let stage = Stage {
                program: &options.program,
                scene,
                locks,
                is_left_out,
                started: Cell::new(0),
            };
            judge(name, is_left_out, play(&stage)?);
        }
    }
    scene.reset()?;
    let stage = Stage {
        program: &options.program,
        scene,
        locks: Vec::new(),
        is_left_out: false,
        started: Cell::new(0),
    };
    judge(
        "none, beside unpacking",
        false,
        unpacked_beside_a_collection(&stage)?,
    );
    for is_left_out in [false, true] {
        // Without locks, racing processes need not meet in every race.
        let rounds = if is_left_out { RACES } else { 1 };
        let mut held = Ok(());
        for round in 0..rounds {
            held = raced(options, options.seed + round, is_left_out)?;
            if held.is_err() {
                break;
            }
        }
        judge("b/*, in a race", is_left_out, held);
    }
    Ok(figures)
}

/// A store used by several processes, either all with or all without some locks.
struct Stage<'a> {
    program: &'a Path,
    scene: &'a Scene,
    locks: Vec<PathBuf>,
    is_left_out: bool,
    /// The number of processes started.
    started: Cell<usize>,
}

/// One of the processes.
struct Player {
    member: Member,
    log: PathBuf,
}

impl Stage<'_> {
    /// Starts an actor. With `halting`, the system stops it after it has called `stat` on that path; before it takes the
    /// shared lock, it only reads the path without calling `stat`.
    fn start(&self, arguments: &[&str], halting: Option<&Path>) -> Result<Player> {
        let number = self.started.get();
        self.started.set(number + 1);
        let log = self.scene.path(&format!("trace-{number}"));
        let mut command = without(&self.locks, self.is_left_out, &log);
        if let Some(path) = halting {
            const STOP: &str = "inject=statx,stat,newfstatat:signal=SIGSTOP:when=1";
            command.arg("-P").arg(path).args(["-e", STOP]);
        }
        command.arg(self.program).arg("actor").args(arguments);
        Ok(Player {
            member: Member::run(command)?,
            log,
        })
    }

    /// Runs an actor to its end, which must succeed.
    fn act(&self, arguments: &[&str]) -> Result<Vec<RRefId>> {
        Ok(self.start(arguments, None)?.end()?.acknowledged)
    }

    fn root(&self) -> PathBuf {
        self.scene.path("store")
    }

    fn root_text(&self) -> String {
        self.scene.text("store")
    }

    fn record_of(&self, rref: &RRefId) -> PathBuf {
        let derivation = self.root().join("store-v1").join(rref.dref().folder());
        derivation.join(rref.folder()).join("record")
    }

    /// Starts a process that halts while it holds the shared lock, after it has seen that an object exists.
    fn inside(&self) -> Result<Player> {
        let rref = &self.scene.garbage[1];
        let record = self.record_of(rref);
        let (root, rref) = (self.root_text(), rref.to_string());
        let mut inside = self.start(&["root", &root, &rref, "another"], Some(&record))?;
        inside.wait_until_stopped()?;
        Ok(inside)
    }
}

impl Player {
    fn wait_until_stopped(&mut self) -> Result<()> {
        let begun = Instant::now();
        while !fs::read_to_string(&self.log).is_ok_and(|log| log.contains("stopped by SIGSTOP")) {
            if !self.member.is_running()? || begun.elapsed() > LONGEST {
                return Err(unable(format!("it did not halt: {:?}", self.end()?)));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits until it has ended (`true`) or waits for a lock (`false`).
    fn settle(&mut self) -> Result<bool> {
        let begun = Instant::now();
        loop {
            if !self.member.is_running()? {
                return Ok(true);
            }
            if self.waits()? {
                return Ok(false);
            }
            if begun.elapsed() > LONGEST {
                return Err(unable("an actor hangs, and not for a lock"));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns whether it waits for a lock: proc(5), `/proc/locks`.
    fn waits(&self) -> Result<bool> {
        let id = self.member.id().to_string();
        let locks = fs::read_to_string("/proc/locks")?;
        Ok(locks.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(1) == Some(&"->") && words.get(5) == Some(&id.as_str())
        }))
    }

    /// Continues a stopped process.
    fn go_on(&self) -> Result<()> {
        let id = Pid::from_raw(self.member.id().cast_signed());
        let id = id.ok_or_else(|| unable("a process without a number"))?;
        kill_process(id, Signal::CONT).map_err(|errno| unable(errno.to_string()))
    }

    /// Waits for its end, which must succeed.
    fn end(&mut self) -> Result<Ended> {
        let ended = self.member.let_go()?;
        if ended.is_good() {
            return Ok(ended);
        }
        Err(unable(format!("{ended:?}")))
    }
}

/// Returns the command that runs a program without these locks; or with them, but otherwise in the same way.
fn without(locks: &[PathBuf], is_left_out: bool, log: &Path) -> Command {
    let mut command = Command::new("strace");
    // The tracer is a grandchild, so that the killed or stopped process is the actor.
    command.args(["-D", "-f", "-qq", "-e", "trace=flock,statx,stat,newfstatat"]);
    for lock in locks {
        command.arg("-P").arg(lock);
    }
    if is_left_out {
        command.args(["-e", "inject=flock:retval=0"]);
    }
    command.arg("-o").arg(log);
    command
}

/// A collection that waits for a holder of the shared lock is not delayed by later arrivals.
fn overtaken(stage: &Stage<'_>) -> Result<Violated> {
    let root = stage.root_text();
    let mut inside = stage.inside()?;
    let mut collection = stage.start(&["gc", &root], None)?;
    if collection.settle()? {
        return Err(unable("a collection did not wait for who is inside"));
    }
    let kept = stage.scene.kept[0].to_string();
    let mut others = Vec::new();
    let mut overtakers = 0;
    for at in 0..COMING {
        let mut other = stage.start(&["root", &root, &kept, &format!("other-{at}")], None)?;
        overtakers += usize::from(other.settle()? && collection.member.is_running()?);
        others.push(other);
    }
    inside.go_on()?;
    let mut expected = kept_of(stage);
    for player in [&mut inside, &mut collection]
        .into_iter()
        .chain(&mut others)
    {
        expected.kept.extend(player.end()?.acknowledged);
    }
    if overtakers > 0 {
        return Ok(Err(format!(
            "{overtakers} of {COMING} overtook a collection that waits"
        )));
    }
    Ok(holds(&stage.root(), &expected))
}

/// Nothing is removed while a holder of the shared lock relies on it.
fn removed_from_under(stage: &Stage<'_>) -> Result<Violated> {
    let mut inside = stage.inside()?;
    let mut collection = stage.start(&["gc", &stage.root_text()], None)?;
    collection.settle()?;
    inside.go_on()?;
    let mut expected = kept_of(stage);
    expected.kept.extend(inside.end()?.acknowledged);
    collection.end()?;
    Ok(holds(&stage.root(), &expected))
}

/// An object that is in an archive and in the store is protected from the moment when unpacking looks for it, even if
/// nothing else uses it.
fn unpacked_beside_a_collection(stage: &Stage<'_>) -> Result<Violated> {
    let record = stage.record_of(&stage.scene.garbage[2]);
    let (root, archive) = (stage.root_text(), stage.scene.text("old.zip"));
    let mut unpacking = stage.start(&["unpack", &root, &archive], Some(&record))?;
    unpacking.wait_until_stopped()?;
    let mut collection = stage.start(&["gc", &root], None)?;
    collection.settle()?;
    unpacking.go_on()?;
    let mut expected = kept_of(stage);
    expected.kept.extend(unpacking.end()?.acknowledged);
    collection.end()?;
    Ok(holds(&stage.root(), &expected))
}

/// The entries in the lease of a process outlive it until a collection that began earlier has ended.
fn forgotten(stage: &Stage<'_>) -> Result<Violated> {
    let root = stage.root_text();
    let mut collection = stage.start(&["halt in a gc", &root], None)?;
    collection.member.wait_until_made()?;
    let mut expected = kept_of(stage);
    // The last realization depends on one that the collection found to be garbage.
    expected
        .there
        .extend(stage.act(&["publish", &root, "garbage", "4"])?);
    // It sweeps after dead processes, if no other process does.
    expected
        .there
        .extend(stage.act(&["publish", &root, "other", "1"])?);
    collection.end()?;
    Ok(holds(&stage.root(), &expected))
}

/// Two processes that want the same stage build it once.
fn built_twice(stage: &Stage<'_>) -> Result<Violated> {
    let (root, [layers, seed]) = (stage.root_text(), PLAN);
    let mut first = stage.start(&["halt in a build", &root, layers, seed], None)?;
    first.member.wait_until_made()?;
    let mut second = stage.start(&["realize", &root, layers, seed], None)?;
    second.settle()?;
    let made: BTreeSet<RRefId> = (first.end()?.acknowledged.into_iter())
        .chain(second.end()?.acknowledged)
        .collect();
    let store = Store::open(stage.root())?;
    for rref in &made {
        let builds = store.realization(rref)?.builds().len();
        if builds != 1 {
            return Ok(Err(format!("{rref} was built {builds} times")));
        }
    }
    let expected = Expected {
        there: made,
        ..kept_of(stage)
    };
    Ok(holds(&stage.root(), &expected))
}

/// What roots protect in any case.
fn kept_of(stage: &Stage<'_>) -> Expected {
    Expected {
        there: BTreeSet::new(),
        kept: stage.scene.kept.iter().cloned().collect(),
    }
}

/// Runs one round of the race, with a program that runs the actors as [`without`] does.
fn raced(options: &Options, seed: u64, is_left_out: bool) -> Result<Violated> {
    let place = crate::scene::place()?;
    let layers = race::LAYERS.to_string();
    let text = seed.to_string();
    let root = place.path().join("store");
    let locks = build_locks(options, &root, &[&layers, &text], || Ok(()))?;
    fs::remove_dir_all(&root)?;
    let mut before = without(&locks, is_left_out, Path::new("/dev/null"));
    let program = program(before.arg(&options.program), &place.path().join("program"))?;
    let mut figures = Figures::default();
    race::round(&program, place.path(), RACING, seed, &mut figures)
}

/// Returns the paths of a plan's build locks, which are equal in all stores, from a temporary one.
fn build_locks(
    options: &Options,
    root: &Path,
    plan: &[&str],
    reset: impl Fn() -> Result<()>,
) -> Result<Vec<PathBuf>> {
    reset()?;
    let log = root.with_file_name("trace-of-locks");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-y", "-s", "300", "-e", "trace=flock", "-o"]);
    command.arg(&log).arg(&options.program);
    command.args(["actor", "realize"]).arg(root).args(plan);
    let ended = actor::finish(&mut command)?;
    if !ended.is_good() {
        return Err(unable(format!("{ended:?}")));
    }
    let folder = root.join("locks/b/").to_string_lossy().into_owned();
    let trace = fs::read_to_string(&log)?;
    let locks = trace.lines().filter_map(|line| {
        let path = line.split_once('<')?.1.split_once('>')?.0;
        path.starts_with(&folder).then(|| PathBuf::from(path))
    });
    let locks: BTreeSet<PathBuf> = locks.collect();
    if locks.is_empty() {
        return Err(unable("no lock of a build is taken"));
    }
    Ok(locks.into_iter().collect())
}
