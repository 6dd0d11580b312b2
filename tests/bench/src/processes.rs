//! Stages in processes of their own, compared with the same stages on threads: what each costs more, what is left of the processors,
//! and what a large plan costs that a process makes again.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pylightnix::plan::Limits;
use pylightnix::prelude::*;
use pylightnix::realize::Processes;
use pylightnix::store::Durability;
use rustix::time::{ClockId, clock_gettime};

use crate::contest::contest;
use crate::measure::{child as child_of, said_time, time};
use crate::options::Options;
use crate::plans::{Node, plan};
use crate::table::{Row, Table};

/// The number of stages that run.
const STAGES: u64 = 1_000;

/// The size of the plan of which one stage runs.
const LARGE: u64 = 100_000;

/// A stage that computes for this long, and writes its number.
#[derive(Config)]
struct Busy {
    #[selfref("out.txt")]
    out: SelfRef<Text>,
    milliseconds: u32,
    number: u64,
}

#[stage]
fn busy(b: &Build<Busy>) -> Result<BusyOutputs> {
    // Time of the processor, so that it is the same work if others have it for a while.
    let used = || -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    };
    let until = used() + Duration::from_millis(b.milliseconds.into());
    while used() < until {
        black_box((0..1000_u64).sum::<u64>());
    }
    Ok(BusyOutputs {
        out: b.out.save(&b.number.to_string())?,
    })
}

/// Returns independent stages.
fn many(milliseconds: &str, is_limited: bool) -> Result<Vec<DRef<Busy>>> {
    let milliseconds = milliseconds.parse()?;
    let stages = (0..STAGES).map(|number| {
        let stage = instantiate(Busy::new(milliseconds, number))?;
        Ok(match is_limited {
            true => stage.with_limits(Limits::new().memory(1 << 30)),
            false => stage,
        })
    });
    stages.collect()
}

/// Realizes stages, on threads or in processes, and prints the seconds; or makes a large plan, of which one stage runs if it is not only
/// looked at.
pub(crate) fn child(args: &[&str]) -> Result<()> {
    let on = |store: &Store, how: &str| {
        let run = Realize::new(&store.clone().with_durability(Durability::None)).jobs(2);
        match how {
            "threads" => run,
            _ => run.on(Processes::new()),
        }
    };
    match args {
        ["many", milliseconds, how, root] => {
            let stages = || many(milliseconds, *how == "limited");
            pylightnix::worker(|_| stages())?;
            let (store, stages) = (Store::open(root)?, stages()?);
            let begun = Instant::now();
            black_box(on(&store, how).run(&stages)?);
            println!("{}", begun.elapsed().as_secs_f64());
        }
        ["one", how, root] => {
            pylightnix::worker(|_| plan("layers", LARGE))?;
            let (store, stages) = (Store::open(root)?, plan("layers", LARGE)?);
            match *how {
                "plan" => drop(black_box(store.plan(&stages)?)),
                "nothing" => drop(black_box(on(&store, "threads").run(&stages)?)),
                how => {
                    let first = instantiate(Node::new(vec![], 0))?;
                    black_box(on(&store, how).force(&first).run(&stages)?);
                }
            }
        }
        _ => return Err("what, how and a store".into()),
    }
    Ok(())
}

/// Measures all of it.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = options.folder()?;
    if options.wants("many") {
        many_stages(options, folder.path(), table)?;
    }
    if options.wants("one") {
        one_of_many(options, folder.path(), table)?;
    }
    Ok(())
}

fn many_stages(options: &Options, folder: &Path, table: &mut Table) -> Result<()> {
    let medians = |milliseconds: &str, hows: [&'static str; 3]| -> Result<Vec<f64>> {
        let measured = |how: &'static str| {
            move |round: usize| {
                let root = folder.join(format!("{milliseconds}-{how}-{round}"));
                let mut command = child_of("processes")?;
                said_time(command.args(["many", milliseconds, how]).arg(root))
            }
        };
        let [mut one, mut two, mut three] = hows.map(measured);
        let what = format!("{STAGES} of {milliseconds} ms");
        contest(
            options,
            "processes",
            &what,
            &mut [
                (hows[0], &mut one),
                (hows[1], &mut two),
                (hows[2], &mut three),
            ],
        )
    };
    let times = medians("0", ["threads", "processes", "limited"])?;
    let more = |time: f64| (time - times[0]).max(0.0) / STAGES as f64;
    let work = "1,000 stages in processes, 2 jobs: a stage more than on a thread";
    table.add(Row::cost(work, more(times[1]), 15e-3));
    let work = "the same, each with a limit of memory and so in a new process";
    table.add(Row::cost(work, more(times[2]), 15e-3).only_told());
    let times = medians("10", ["threads", "processes", "limited"])?;
    let work = "1,000 stages of 10 ms of computing, 2 jobs: in processes";
    table.add(Row::ratio(work, times[1], ("on threads", times[0]), 1.3));
    let work = "the same, each with a limit of memory";
    table.add(Row::ratio(work, times[2], ("on threads", times[0]), 1.3).only_told());
    Ok(())
}

fn one_of_many(options: &Options, folder: &Path, table: &mut Table) -> Result<()> {
    let root = folder.join("large");
    let command = |how: &str| -> Result<Command> {
        let mut command = child_of("processes")?;
        command.args(["one", how]).arg(&root);
        Ok(command)
    };
    time(&mut command("nothing")?)?;
    let medians = contest(
        options,
        "processes",
        "one of 100,000",
        &mut [
            ("threads", &mut |_| time(&mut command("threads")?)),
            ("processes", &mut |_| time(&mut command("processes")?)),
            ("plan", &mut |_| time(&mut command("plan")?)),
        ],
    )?;
    let work = "one of 100,000 stages runs, in a process: more than on a thread";
    let more = (medians[1] - medians[0]).max(0.0);
    table.add(Row::ratio(work, more, ("the plan of it", medians[2]), 1.0));
    Ok(())
}
