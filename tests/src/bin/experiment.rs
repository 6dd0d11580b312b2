//! A program with an experiment, such as users write, for tests of the command line.

use pylightnix::prelude::*;
use pylightnix_cli::{App, clap};
use std::io::Write as _;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

// ANCHOR: arguments
#[derive(clap::Args)]
struct Arguments {
    /// The number of numbers
    #[arg(long, default_value_t = 5)]
    count: u32,
}
// ANCHOR_END: arguments

/// Some numbers.
#[derive(Config)]
struct Numbers {
    #[selfref("numbers.json")]
    out: SelfRef<Json<Vec<f64>>>,
    count: u32,
}

#[stage]
fn numbers(b: &Build<Numbers>) -> Result<NumbersOutputs> {
    writeln!(b.log(), "making {} numbers", b.count)?;
    let numbers = (0..b.count).map(f64::from).collect();
    Ok(NumbersOutputs {
        out: b.out.save(&numbers)?,
    })
}

/// Their mean.
#[derive(Config)]
struct Mean {
    #[selfref("mean.json")]
    out: SelfRef<Json<f64>>,
    #[dref]
    numbers: DRef<Numbers>,
}

#[stage]
fn mean(b: &Build<Mean>) -> Result<MeanOutputs> {
    let numbers = b.numbers.out.load()?;
    let sum: f64 = numbers.iter().sum();
    Ok(MeanOutputs {
        out: b.out.save(&(sum / numbers.len() as f64))?,
    })
}

/// A stage that fails.
#[derive(Config)]
struct Broken {
    #[dref]
    numbers: DRef<Numbers>,
}

#[stage]
fn broken(b: &Build<Broken>) -> Result<()> {
    Err(format!("it never works with {} numbers", b.numbers.count).into())
}

/// A stage that runs until it is stopped.
#[derive(Config)]
struct Endless {}

#[stage]
fn endless(b: &Build<Endless>) -> Result<()> {
    writeln!(b.log(), "it begins")?;
    loop {
        b.check()?;
        sleep(Duration::from_millis(10));
    }
}

// ANCHOR: main
fn main() -> ExitCode {
    let numbers = |mine: &Arguments| -> Result<_> { Ok(instantiate(Numbers::new(mine.count))?) };
    App::with_args::<Arguments>()
        .about("The experiment of the tests")
        .target("mean", move |mine| {
            Ok(instantiate(Mean::new(numbers(mine)?))?)
        })
        .target("numbers", numbers)
        .target("broken", move |mine| {
            Ok(instantiate(Broken::new(numbers(mine)?))?)
        })
        .target("endless", |_| Ok(instantiate(Endless::new())?))
        .main()
}
// ANCHOR_END: main
