//! Stages in processes that die in every way: a plan of a hundred stages of which twenty die, and what must hold then.
//!
//! The others are there, those that died have failed with their logs and series, the store is whole, and no process is left.

use pylightnix::plan::Limits;
use pylightnix::prelude::*;
use pylightnix::realize::{Event, Processes};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests::dying::{LIMIT, WAYS, die};

use crate::actor::{self, Ended, acknowledge};
use crate::figures::Figures;
use crate::invariants::{Expected, Violated, holds};
use crate::scene::place;
use crate::{Options, unable};

/// The stages of a plan, and how many of them die.
const STAGES: usize = 100;
const DYING: usize = 20;

/// A stage that succeeds, and leaves a process running.
const LEAVES: &str = "leaves";

/// The variable that all processes of a round have.
const ROUND: &str = "CAMPAIGN_ROUND";

/// Runs the campaign: each round has another way to die.
///
/// # Errors
/// Fails if a process cannot be started.
pub(crate) fn run(options: &Options) -> Result<Figures> {
    let ways: Vec<(&str, Option<&str>)> = (WAYS.iter())
        .map(|(how, why)| (*how, Some(*why)))
        .chain([(LEAVES, None)])
        .filter(|(how, _)| options.takes(how))
        .collect();
    let mut figures = Figures::default();
    let rounds = options.count.unwrap_or(ways.len());
    for (how, why) in ways.into_iter().cycle().take(rounds) {
        figures.rounds += 1;
        let place = place()?;
        let root = place.path().join("store");
        let mut command = Command::new(&options.program);
        command.args(["actor", "dying"]).arg(&root).arg(how);
        let ended = actor::finish(command.env(ROUND, &root))?;
        let dead = why.map_or(0, |_| DYING);
        figures.count(format!("stages that died by {how}: {dead}"));
        if let Err(why) = verify(&root, how, why, &ended) {
            let violation = format!("{how}: {why}");
            eprintln!("{violation}");
            figures.violations.push(violation);
        }
    }
    Ok(figures)
}

fn verify(root: &Path, how: &str, why: Option<&str>, ended: &Ended) -> Violated {
    if !ended.is_good() {
        return Err(format!("it ended with {ended:?}"));
    }
    let dead = why.map_or(0, |_| DYING);
    if ended.acknowledged.len() != STAGES - dead {
        return Err(format!("{} stages are there", ended.acknowledged.len()));
    }
    let said = why.map_or(0, |why| ended.error.matches(why).count());
    if said != dead {
        return Err(format!("{said} stages say why they died: {}", ended.error));
    }
    let failed = || -> Result<Vec<(String, bool)>> {
        let store = Store::open(root)?;
        let failed = store.failed_builds()?.into_iter();
        let logs = failed.map(|build| {
            let has_series = build.folder.join("series.jsonl").exists();
            Ok((fs::read_to_string(build.log())?, has_series))
        });
        logs.collect()
    };
    let failed = failed().map_err(|error| format!("failed builds: {error}"))?;
    if failed.len() != dead {
        return Err(format!("{} failed builds are kept", failed.len()));
    }
    let printed = format!("this one does {how}\n");
    if let Some(wrong) = failed
        .iter()
        .find(|(log, has)| !log.starts_with(&printed) || !has)
    {
        return Err(format!("a failed build has log and series {wrong:?}"));
    }
    let there = ended.acknowledged.iter().cloned().collect();
    let expected = Expected {
        there,
        ..Expected::default()
    };
    holds(root, &expected)?;
    no_process_is_left(root)
}

/// Checks that no process of this round lives. One that was killed takes a moment to end.
fn no_process_is_left(root: &Path) -> Violated {
    let named = format!("{ROUND}={}\0", root.display());
    let is_of_round = |entry: &fs::DirEntry| {
        let variables = fs::read(entry.path().join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&variables).contains(&named)
    };
    let begun = Instant::now();
    loop {
        let processes = fs::read_dir("/proc").map_err(|error| error.to_string())?;
        let left = processes.flatten().filter(is_of_round).count();
        match left {
            0 => return Ok(()),
            _ if begun.elapsed() > Duration::from_secs(10) => {
                return Err(format!("{left} processes are left"));
            }
            _ => sleep(Duration::from_millis(20)),
        }
    }
}

/// A stage that may die.
#[derive(Config)]
struct Mortal {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    number: usize,
    how: String,
}

#[stage]
fn mortal(b: &Build<Mortal>) -> Result<MortalOutputs> {
    println!("this one does {}", b.how);
    b.record("number", 1, b.number as f64)?;
    if b.how == LEAVES {
        // Two children of children: one in the group of the process, one in a session of its own.
        let script = "(sleep 600) & setsid sleep 600 & echo left";
        Command::new("sh").args(["-c", script]).status()?;
    }
    die(&b.how)?;
    Ok(MortalOutputs {
        out: b.out.save(&b.number.to_string())?,
    })
}

fn plan(how: &str) -> Result<Vec<DRef<Mortal>>> {
    let stages = (0..STAGES).map(|number| {
        let how = match number % (STAGES / DYING) {
            0 => how,
            _ => "nothing",
        };
        let mortal = instantiate(Mortal::new(number, how.to_owned()))?;
        Ok(match how {
            "memory" => mortal.with_limits(Limits::new().memory(LIMIT)),
            _ => mortal,
        })
    });
    stages.collect()
}

/// The process of a round: realizes the plan, and prints what is published and why stages failed.
pub(crate) fn act(root: &str, how: &str) -> Result<()> {
    pylightnix::worker(|_| plan(how))?;
    let told = |event: &Event<'_>| match event {
        Event::Published { rref, .. } => {
            let _ = acknowledge(rref);
        }
        Event::RunFailed { error, .. } => {
            let _ = writeln!(std::io::stderr(), "{error:?}");
        }
        _ => {}
    };
    let store = Store::open(root)?;
    let run = Realize::new(&store).on(Processes::new()).keep_going();
    match (run.jobs(2).observer(told).run(&plan(how)?), how) {
        (Ok(_), LEAVES) | (Err(_), _) => Ok(()),
        (Ok(_), _) => Err(unable("no stage failed")),
    }
}
