//! An experiment whose stages die in many ways, and whose plan has all that no reference tells, for tests of stages in processes.

#![allow(
    unsafe_code,
    reason = "one of its stages prints as a library in C does"
)]

use pylightnix::plan::matcher;
use pylightnix::prelude::*;
use pylightnix_cli::App;
use std::ffi::CString;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;
use tests::dying::{WAYS, die, hold};

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
        "deaf" => sleep(Duration::from_secs(600)),
        how => die(how)?,
    }
    Ok(())
}

/// A stage that takes memory, and declares less than it may take.
#[derive(Config)]
struct Eats {
    how: String,
}

#[stage(memory = "100MiB")]
fn eats(b: &Build<Eats>) -> Result<()> {
    println!("this is {}", b.how);
    let script = match b.how.as_str() {
        "little" => {
            let _held = hold(20 << 20);
            return Ok(());
        }
        // Addresses are not memory.
        "reserved" => {
            black_box(Vec::<u8>::with_capacity(1 << 30));
            return Ok(());
        }
        "memory" => return die("memory"),
        "asleep" => {
            sleep(Duration::from_secs(600));
            return Ok(());
        }
        "child" => "(head -c 300000000 /dev/zero && sleep 60) | tail -c 300000000 > /dev/null",
        // Six processes that share most of what they hold.
        "shared" => {
            "x=$(head -c 20000000 /dev/zero | tr '\\0' x); for i in 1 2 3 4 5 6; do (sleep 2; :) & done; wait"
        }
        how => return Err(format!("how is {how}?").into()),
    };
    b.run(b.command("sh").args(["-c", script]))?;
    Ok(())
}

/// A stage that says nothing of its memory.
#[derive(Config)]
struct Takes {
    mebibytes: u64,
}

#[stage]
fn takes(b: &Build<Takes>) -> Result<()> {
    let _held = hold(b.mebibytes << 20);
    Ok(())
}

/// A stage that prints as libraries in C do, which keep it for a while.
#[derive(Config)]
struct Prints {
    text: String,
    how: String,
}

#[stage]
fn prints(b: &Build<Prints>) -> Result<()> {
    let text = CString::new(b.text.as_str())?;
    // SAFETY: both texts end with a zero, and the first one asks for a text.
    unsafe { libc::printf(c"%s".as_ptr(), text.as_ptr()) };
    die(&b.how)
}

/// A stage that leaves a process behind, which would sleep for this time.
#[derive(Config)]
struct Leaves {
    how: String,
    seconds: String,
}

#[stage]
fn leaves(b: &Build<Leaves>) -> Result<()> {
    let mut command = match b.how.as_str() {
        "session" => Command::new("setsid"),
        _ => Command::new("env"),
    };
    // A child of a child, which loses its parent at once.
    let script = format!("(trap '' TERM HUP; sleep {}) & echo left", b.seconds);
    command.args(["sh", "-c", &script]).status()?;
    die(&b.how)
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
    let ways = WAYS.iter().map(|(how, _)| *how);
    let ways = ways.filter(|how| *how != "memory").chain(["lives"]);
    let dies = |how: &str| instantiate(Dies::new(how.to_owned()));
    App::new()
        .target("all", move |_| {
            let all: Result<Vec<_>, _> = ways.clone().map(dies).collect();
            Ok(all?)
        })
        .target("deaf", move |_| Ok(dies("deaf")?))
        .target("lives", move |_| Ok(dies("lives")?))
        .target("eats", |_| {
            Ok(instantiate(Eats::new(std::env::var("HOW")?))?)
        })
        .target("asleep", |_| {
            Ok(instantiate(Eats::new("asleep".to_owned()))?)
        })
        .target("takes", |_| {
            let all = [150, 1].map(|mebibytes| instantiate(Takes::new(mebibytes)));
            Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?)
        })
        .target("prints", |_| {
            let first = instantiate(Prints::new("first".to_owned(), "lives".to_owned()))?;
            let second = instantiate(Prints::new("second".to_owned(), "lives".to_owned()))?;
            Ok((first, second))
        })
        .target("prints and dies", |_| {
            Ok(instantiate(Prints::new(
                "a line\nand".to_owned(),
                "abort".to_owned(),
            ))?)
        })
        .target("leaves", |_| {
            let seconds = std::env::var("SECONDS_LEFT")?;
            let all = ["group", "session", "abort"]
                .map(|how| instantiate(Leaves::new(how.to_owned(), seconds.clone())));
            Ok(all.into_iter().collect::<Result<Vec<_>, _>>()?)
        })
        .target("told", |_| plan())
        .target("changing", move |_| {
            // What no worker can know.
            Ok(dies(&format!("{}", std::process::id()))?)
        })
        .configure_run(|_, run| run.arg(Volume(11)))
        .main()
}
