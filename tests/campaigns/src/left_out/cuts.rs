//! Skipped fsyncs before a power cut: each fsync of a publication is skipped in turn, with the cut right after the
//! acknowledgement, and all of them in the rounds of the campaign `power`.
//!
//! On ext4 and xfs, one fsync commits much more than its own file, so a cut reveals only some skipped fsyncs: at least those
//! in [`SEEN`]. Another file system may lose every one of them; [`fsyncs`](super::fsyncs) covers that.

use pylightnix::prelude::Result;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::fsyncs::settled;
use super::program;
use crate::actor::{self, Ended};
use crate::audit::{ONE_THREAD, Places, TRACED, fsyncs};
use crate::figures::Figures;
use crate::invariants::Violated;
use crate::power::{self, KINDS, Prepared};
use crate::{Options, unable};

/// The fsyncs whose omission cuts reveal on each file system, by the end of the path.
const SEEN: &[&str] = &[
    // Of a file: its bytes.
    "/out/text",
    "/out/below/long",
    "/out/below/program",
    "/record",
    "/config.json",
    // The build record.
    "/0/*",
    // The name of the realization, in the folder of its derivation: the last fsync.
    "-new-0",
];

/// The number of attempts: the system sometimes writes unsynced data by itself before the cut.
const TRIES: usize = 3;

/// The number of cuts of each file system with all fsyncs skipped.
const CUTS: usize = 5;

/// Runs the campaign.
///
/// # Errors
/// Fails if file systems cannot be mounted, or if a process fails unexpectedly.
pub(super) fn run(options: &Options) -> Result<Figures> {
    power::need_programs()?;
    let place = crate::scene::place()?;
    let ended: Vec<Result<Figures>> = thread::scope(|scope| {
        let workers = KINDS.iter().map(|(kind, bytes)| {
            let place = place.path().join(kind);
            scope.spawn(move || {
                fs::create_dir(&place)?;
                let disk = Prepared::new(&options.program, kind, *bytes, &place.join("one"))?;
                let cuts = Cuts {
                    program: &options.program,
                    kind,
                    log: place.join("trace"),
                    disk,
                };
                let mut figures = cuts.each()?;
                figures.add(all(options, kind, *bytes, &place)?);
                Ok(figures)
            })
        });
        let workers: Vec<_> = workers.collect();
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

/// Cuts of one file system.
struct Cuts<'a> {
    program: &'a Path,
    kind: &'a str,
    log: PathBuf,
    disk: Prepared,
}

impl Cuts<'_> {
    /// Skips nothing, and then each fsync in turn.
    fn each(&self) -> Result<Figures> {
        let kind = self.kind;
        let mut figures = Figures::default();
        let (lost, fsyncs) = self.one(None)?;
        figures.rounds += 1;
        if let Some(why) = lost {
            figures
                .violations
                .push(format!("{kind}, nothing left out: {why}"));
        }
        figures.rounds += 1;
        match self.found()? {
            Ok(()) => figures.count(format!(
                "{kind}: found before its publisher synced it, kept"
            )),
            Err(why) => figures.violations.push(format!(
                "{kind}, found before its publisher synced it: {why}"
            )),
        }
        for (when, path) in fsyncs {
            let name = self.name(&path);
            let must = SEEN.iter().any(|end| name.ends_with(end));
            let mut tries = if must { TRIES } else { 1 };
            let mut lost = None;
            while lost.is_none() && tries > 0 {
                lost = self.one(Some(when))?.0;
                figures.rounds += 1;
                tries -= 1;
            }
            if let Some(why) = &lost {
                let why = why.lines().next().unwrap_or_default();
                println!("{kind}, fsync of {name} left out: {why}");
            }
            match (lost, must) {
                (Some(_), _) => {
                    figures.count(format!("{kind}: an fsync left out, seen by a power cut"))
                }
                (None, false) => {
                    println!("{kind}, fsync of {name} left out: no power cut sees it");
                    figures.count(format!(
                        "{kind}: an fsync left out that only the audit sees"
                    ));
                }
                (None, true) => figures.violations.push(format!(
                    "{kind}: no power cut sees that fsync {when}, of {name}, is left out"
                )),
            }
        }
        Ok(figures)
    }

    /// Publishes, cuts the power, and returns what was lost and what was synced.
    fn one(&self, when: Option<usize>) -> Result<(Option<String>, BTreeMap<usize, String>)> {
        self.disk.mount()?;
        let ended = self.publish(when);
        let cut = self.disk.cut();
        let acknowledged = ended?.acknowledged;
        cut?;
        let lost = self.disk.verify(self.program, &acknowledged)?.err();
        let trace = fs::read_to_string(&self.log)?;
        let objects = self
            .disk
            .root
            .join("store-v1")
            .to_string_lossy()
            .into_owned();
        let places = Places {
            visible: vec![objects],
            ..Places::default()
        };
        Ok((lost, fsyncs(&trace, &places)))
    }

    fn publish(&self, when: Option<usize>) -> Result<Ended> {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-qq", "-s", "200", "-e", TRACED]);
        command.args(["-e", ONE_THREAD]);
        if let Some(when) = when {
            command.args(["-e", &format!("inject=fsync:retval=0:when={when}")]);
        }
        command.arg("-o").arg(&self.log).arg(self.program);
        command.args(["actor", "publish"]).arg(&self.disk.root);
        let ended = actor::finish(command.args(["new", "1"]))?;
        if ended.is_good() {
            return Ok(ended);
        }
        Err(unable(format!("{ended:?}")))
    }

    /// Kills a publisher at its last fsync; another process finds the realization and acknowledges it; then the cut.
    fn found(&self) -> Result<Violated> {
        let realize = |inject: Option<String>| {
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-e", "trace=fsync,clone,clone3"]);
            command.args(["-e", ONE_THREAD]);
            if let Some(inject) = inject {
                command.args(["-e", &inject]);
            }
            command.arg("-o").arg(&self.log).arg(self.program);
            command.args(["actor", "realize"]).arg(&self.disk.root);
            actor::finish(command.args(["1", "0"]))
        };
        self.disk.mount()?;
        let whole = realize(None);
        self.disk.unmount()?;
        whole?;
        let last = fs::read_to_string(&self.log)?.matches(" fsync(").count();
        self.disk.mount()?;
        let killed = realize(Some(format!("inject=fsync:signal=SIGKILL:when={last}")));
        let root = self.disk.root.to_string_lossy();
        let found = actor::run(self.program, &["realize", &root, "1", "0"]);
        let cut = self.disk.cut();
        if killed?.signal.is_none() {
            return Err(unable("it was to be killed"));
        }
        let found = found?;
        cut?;
        if !found.is_good() {
            return Err(unable(format!("{found:?}")));
        }
        self.disk.verify(self.program, &found.acknowledged)
    }

    /// Returns a path in the store without the parts that differ between runs.
    fn name(&self, path: &str) -> String {
        let path = Path::new(path).strip_prefix(&self.disk.root);
        settled(&path.map(Path::to_string_lossy).unwrap_or_default())
    }
}

/// Runs the campaign `power` with all fsyncs skipped, which must fail.
fn all(options: &Options, kind: &str, bytes: u64, place: &Path) -> Result<Figures> {
    let mut strace = Command::new("strace");
    // The tracer is a grandchild, so that the killed process is the actor.
    strace.args(["-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"]);
    strace.args(["-e", "trace=fsync", "-e", "inject=fsync:retval=0"]);
    let without = Options {
        program: program(strace.arg(&options.program), &place.join("program"))?,
        count: Some(CUTS),
        ..options.clone()
    };
    let found = power::cut_all(&without, kind, bytes, &place.join("all"), &|_| ())?;
    let mut figures = Figures {
        rounds: found.rounds,
        ..Figures::default()
    };
    let seen = found.violations.len();
    *figures
        .counts
        .entry(format!("{kind}: all fsyncs left out, cuts that see it"))
        .or_default() += seen;
    if let Some(why) = found.violations.first() {
        let why = why.lines().next().unwrap_or_default();
        println!("all fsyncs left out, seen by {seen} of {CUTS} cuts: {why}");
    } else {
        let why = format!("{kind}: no power cut sees that all fsyncs are left out");
        figures.violations.push(why);
    }
    Ok(figures)
}
