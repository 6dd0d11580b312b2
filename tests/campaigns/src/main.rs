//! Runs a campaign and prints the results: `campaigns NAME [--count N] [--seed S] [--only OPERATION]`. `campaigns actor OPERATION ROOT ..` is
//! one of the processes into which a campaign injects faults.

use campaigns::{Options, SPREAD, actor, run};
use std::process::ExitCode;

#[path = "../../src/spread.rs"]
mod spread;

fn main() -> ExitCode {
    // The process of a run, its tasks and their workers are all this program with these arguments.
    if std::env::var_os(SPREAD).is_some() {
        return spread::main();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == "actor"
    {
        return actor::main(rest);
    }
    match campaign(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether all invariants held.
fn campaign(arguments: &[String]) -> Result<bool, String> {
    const USAGE: &str = "usage: campaigns NAME [--count N] [--seed S] [--only OPERATION]";
    let (name, mut rest) = arguments.split_first().ok_or(USAGE)?;
    let mut options = Options {
        count: None,
        seed: 1,
        only: None,
        program: std::env::current_exe().map_err(|error| error.to_string())?,
    };
    while let [option, value, left @ ..] = rest {
        if option == "--only" {
            options.only = Some(value.clone());
            rest = left;
            continue;
        }
        let value: u64 = (value.parse()).map_err(|_| format!("{value:?} is no number; {USAGE}"))?;
        match option.as_str() {
            "--count" => options.count = Some(value as usize),
            "--seed" => options.seed = value,
            other => return Err(format!("no option {other}; {USAGE}")),
        }
        rest = left;
    }
    if !rest.is_empty() {
        return Err(USAGE.to_owned());
    }
    let figures = run(name, &options).map_err(|error| format!("{error:?}"))?;
    println!("{figures}");
    if !figures.violations.is_empty() {
        println!("again: campaigns {name} --seed {}", options.seed);
    }
    Ok(figures.violations.is_empty())
}
