//! An experiment whose stages die in many ways, and whose plan has all that no reference tells, for tests of stages in processes.

#![allow(clippy::panic, reason = "its stages do what stages should not")]

use pylightnix::plan::matcher;
use pylightnix::prelude::*;
use pylightnix_cli::App;
use rustix::process::{Signal, getpid, kill_process};
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

/// A stage that ends in this way.
#[derive(Config)]
struct Dies {
    how: String,
}

#[stage]
fn dies(b: &Build<Dies>) -> Result<()> {
    println!("this is {}", b.how);
    Command::new("sh")
        .args(["-c", "echo and its child"])
        .status()?;
    b.record("loss", 1, 0.5)?;
    match b.how.as_str() {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        "kill" => kill_process(getpid(), Signal::KILL)?,
        // Of a signal that no access to memory caused, the handler of Rust takes one.
        "segfault" => {
            kill_process(getpid(), Signal::SEGV)?;
            kill_process(getpid(), Signal::SEGV)?;
        }
        "overflow" => println!("{}", deep(1)),
        "panic" => panic!("on purpose"),
        "error" => std::fs::read("/nowhere").map(drop)?,
        "deaf" => sleep(Duration::from_secs(600)),
        _ => {}
    }
    Ok(())
}

/// Needs more stack than there is.
fn deep(number: u64) -> u64 {
    let room = std::hint::black_box([number; 1024]);
    if number == 0 {
        0
    } else {
        deep(room[512] + 1) + room[3]
    }
}

/// How loud stages are.
struct Volume(u32);

/// Two numbers, of which the plan takes the lower.
#[derive(Config)]
struct Noise {
    #[selfref("n.json")]
    n: SelfRef<Json<usize>>,
}

#[stage(nouts = 3, matcher = matcher::latest())]
fn noise(b: &Build<Noise>) -> Result<NoiseOutputs> {
    Ok(NoiseOutputs {
        n: b.n.save(&(10 * b.index()))?,
    })
}

/// A stage of which neither the unhashed field nor the argument is in the reference.
#[derive(Config)]
struct Told {
    #[selfref("told.txt")]
    text: SelfRef<Text>,
    #[dref]
    noise: DRef<Noise>,
    #[config(unhashed, default = 1)]
    verbosity: u32,
}

#[stage(args(Volume))]
fn told(b: &Build<Told>) -> Result<ToldOutputs> {
    Err(format!("the plan has another realizer {}", b.verbosity).into())
}

fn plan() -> Result<DRef<Told>> {
    let noise = instantiate(Noise::new())?.lowest(|noise| Ok(noise.n.load()?));
    let told = Told {
        verbosity: 7,
        ..Told::new(noise)
    };
    let told = instantiate(told)?;
    let place = std::env::current_dir()?;
    Ok(told.with_realizer("given", move |b| -> Result<()> {
        let n = b.noise.n.load()?;
        let (verbosity, volume) = (b.verbosity, b.arg::<Volume>().0);
        println!("in {}", place.display());
        let _ = b
            .text
            .save(&format!("n {n}, verbosity {verbosity}, volume {volume}"))?;
        Ok(())
    }))
}

fn main() -> ExitCode {
    let ways = [
        "abort", "exit", "kill", "segfault", "overflow", "panic", "error", "lives",
    ];
    let dies = |how: &str| instantiate(Dies::new(how.to_owned()));
    App::new()
        .target("all", move |_| {
            let all: Result<Vec<_>, _> = ways.into_iter().map(dies).collect();
            Ok(all?)
        })
        .target("deaf", move |_| Ok(dies("deaf")?))
        .target("lives", move |_| Ok(dies("lives")?))
        .target("told", |_| plan())
        .target("changing", move |_| {
            // What no worker can know.
            Ok(dies(&format!("{}", std::process::id()))?)
        })
        .configure_run(|_, run| run.arg(Volume(11)))
        .main()
}
