//! An experiment whose stages print, panic, wait and ignore requests to stop, for tests of the progress display.

#![allow(clippy::panic, reason = "its stages do what stages should not")]

use pylightnix::prelude::*;
use pylightnix_cli::App;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

/// A stage that reports progress.
#[derive(Config)]
struct Measured {}

#[stage]
fn measured(b: &Build<Measured>) -> Result<()> {
    writeln!(b.log(), "epoch 1: {}", "the loss went down, ".repeat(8))?;
    b.progress(1, Some(4));
    wait("measured", || Ok(b.check()?))
}

/// A stage that records a series.
#[derive(Config)]
struct Records {}

#[stage]
fn records(b: &Build<Records>) -> Result<()> {
    for step in 0..8 {
        b.record("loss", step, 1. / (step as f64 + 1.))?;
        // As often as it is told.
        thread::sleep(Duration::from_millis(110));
    }
    wait("records", || Ok(b.check()?))
}

/// A stage that prints in every possible way.
#[derive(Config)]
struct Talks {}

#[stage]
fn talks(b: &Build<Talks>) -> Result<()> {
    tracing::info!("it talks");
    println!("by println");
    eprintln!("by eprintln");
    Command::new("sh")
        .args(["-c", "echo by a child; echo err of a child >&2"])
        .status()?;
    println!("\x1b[2J\x1b[31mred\x1b[0m 10%\r20%");
    print!("a line ");
    stdout().flush()?;
    println!("in two\n\nafter an empty one, {}", "long ".repeat(30));
    wait("talks", || Ok(b.check()?))
}

/// A stage that panics, after one of its threads panicked.
#[derive(Config)]
struct Panics {}

#[stage]
fn panics(b: &Build<Panics>) -> Result<()> {
    writeln!(b.log(), "about to panic")?;
    thread::scope(|scope| {
        let other = thread::Builder::new().name("other".to_owned());
        let span = tracing::Span::current();
        let panics = move || span.in_scope(|| panic!("in a thread of the stage"));
        let _ = other
            .spawn_scoped(scope, panics)
            .map(thread::ScopedJoinHandle::join);
    });
    panic!("on purpose");
}

/// A stage that fails and writes to its log.
#[derive(Config)]
struct Fails {
    number: u32,
}

#[stage]
fn fails(b: &Build<Fails>) -> Result<()> {
    for line in 0..30 {
        writeln!(b.log(), "line {line} of {}", b.number)?;
    }
    Err("it failed on purpose".into())
}

/// A stage that stops when it is told to.
#[derive(Config)]
struct Waits {
    number: u32,
}

#[stage]
fn waits(b: &Build<Waits>) -> Result<()> {
    writeln!(b.log(), "waiting as number {}", b.number)?;
    wait("waits", || Ok(b.check()?))
}

/// A stage that ignores the request to stop.
#[derive(Config)]
struct Deaf {}

#[stage]
fn deaf(_: &Build<Deaf>) -> Result<()> {
    wait("deaf", || Ok(()))
}

/// A stage that aborts the process.
#[derive(Config)]
struct Aborts {}

#[stage]
fn aborts(b: &Build<Aborts>) -> Result<()> {
    wait("aborts", || Ok(b.check()?))?;
    eprintln!("the invariant of a library\ndoes not hold");
    std::process::abort();
}

/// A stage with a child process that counts in a file until a test releases it.
#[derive(Config)]
struct Counts {}

#[stage]
fn counts(b: &Build<Counts>) -> Result<()> {
    let count = "i=0; while ! test -e \"$WATCHED/counts\"; do i=$((i+1)); echo $i > \"$WATCHED/count\"; sleep 0.05; done";
    b.run(Command::new("sh").args(["-c", count]))?;
    Ok(())
}

/// What each run of this program is given.
struct Greeting(&'static str);

/// A stage that takes it.
#[derive(Config)]
struct Greets {
    #[selfref("greeting.txt")]
    out: SelfRef<Text>,
}

#[stage(args(Greeting))]
fn greets(b: &Build<Greets>) -> Result<GreetsOutputs> {
    Ok(GreetsOutputs {
        out: b.out.save(b.arg::<Greeting>().0)?,
    })
}

/// Waits until a test releases the stage.
fn wait(word: &str, check: impl Fn() -> Result<()>) -> Result<()> {
    let place = PathBuf::from(std::env::var_os("WATCHED").unwrap_or_default());
    while !place.join(word).exists() {
        check()?;
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn main() -> ExitCode {
    App::new()
        .configure_run(|_, run| run.arg(Greeting("good morning\n")))
        .target("measured", |_| Ok(instantiate(Measured::new())?))
        .target("records", |_| Ok(instantiate(Records::new())?))
        .target("talks", |_| Ok(instantiate(Talks::new())?))
        .target("panics", |_| Ok(instantiate(Panics::new())?))
        .target("aborts", |_| Ok(instantiate(Aborts::new())?))
        .target("counts", |_| Ok(instantiate(Counts::new())?))
        .target("greets", |_| Ok(instantiate(Greets::new())?))
        .target("deaf", |_| Ok(instantiate(Deaf::new())?))
        .target("fails", |_| {
            Ok([instantiate(Fails::new(0))?, instantiate(Fails::new(1))?])
        })
        .target("many", |_| {
            let many = (0..30).map(|number| instantiate(Waits::new(number)));
            Ok(many.collect::<pylightnix::Result<Vec<_>>>()?)
        })
        .main()
}
