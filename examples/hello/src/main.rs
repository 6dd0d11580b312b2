//! A program built from source: the sources are downloaded, unpacked, configured and compiled, and the program runs.
//! Requires a C compiler and `make`.

mod server;

use std::fs;
use std::io::Write as _;
use std::process::Command;

use pylightnix::prelude::*;
use pylightnix::stages::{Fetched, Unpacked};

// ANCHOR: sources
/// The sources, as published.
fn sources(mirror: String) -> Result<DRef<Unpacked>> {
    let archive = instantiate(Fetched {
        mirrors: vec![mirror],
        ..Fetched::new(
            "https://example.org/hello-1.0.tar.gz".to_owned(),
            "7434577f49836c378f39e05fa14eedf4f8fd607ddce116ffd4d7eaacdfc26837".parse()?,
        )
    })?;
    Ok(instantiate(Unpacked {
        strip: 1, // all is in a folder `hello-1.0`
        ..Unpacked::new(archive.out.clone())
    })?)
}
// ANCHOR_END: sources

// ANCHOR: program
/// The program, installed.
#[derive(Config)]
struct Program {
    #[selfref("bin/hello")]
    hello: SelfRef,
    #[dref]
    sources: DRef<Unpacked>,
}

#[stage]
fn program(b: &Build<Program>) -> Result<ProgramOutputs> {
    let work = b.path().join("work"); // the sources are read-only
    fs::create_dir(&work)?;
    let configure = b.sources.out.path().join("configure");
    run(
        b,
        Command::new(configure).arg("--prefix=").current_dir(&work),
    )?;
    let out = format!("DESTDIR={}", b.path().display());
    run(
        b,
        Command::new("make")
            .args(["install", &out])
            .current_dir(&work),
    )?;
    fs::remove_dir_all(&work)?;
    Ok(ProgramOutputs {
        hello: b.hello.written()?,
    })
}

/// Runs a command, with its output in the log.
fn run(b: &Build<Program>, command: &mut Command) -> Result<()> {
    let done = command.output()?;
    b.log().write_all(&done.stdout)?;
    b.log().write_all(&done.stderr)?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {}", done.status).into())
    }
}
// ANCHOR_END: program

/// The output of the program.
#[derive(Config)]
struct Greeting {
    #[selfref("greeting.txt")]
    out: SelfRef<Text>,
    #[dref]
    hello: RefPath,
    whom: String,
}

#[stage]
fn greeting(b: &Build<Greeting>) -> Result<GreetingOutputs> {
    let said = Command::new(b.hello.path()).arg(&b.whom).output()?.stdout;
    let out = b.out.save(&String::from_utf8(said)?)?;
    Ok(GreetingOutputs { out })
}

// ANCHOR: main
fn main() -> Result<()> {
    let store = Store::open("_store")?;
    // A server inside this program, in place of one on the internet.
    let mirror = server::serve(include_bytes!("../hello-1.0.tar.gz"))?;

    let program = instantiate(Program::new(sources(mirror)?))?;
    let greeting = instantiate(Greeting::new(
        program.hello.clone(),
        "Pylightnix".to_owned(),
    ))?;
    println!("{}\n", store.plan(&greeting)?);
    let (greeting, report) = Realize::new(&store).run_reporting(&greeting)?;
    println!("{report}");
    print!("{}", greeting.out.load()?);
    Ok(())
}
// ANCHOR_END: main
