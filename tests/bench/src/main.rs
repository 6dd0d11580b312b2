//! What pylightnix costs, measured on whole processes: `cargo run --release -p bench -- all`, or some benchmarks by name.
//!
//! `--dir FOLDER` says where stores are made, which should be on a real disk (the folder of this program without it);
//! `--keep` leaves them there; `--csv FILE` adds every single time to a file; `--rounds N` says how often each is measured;
//! `--only PART` leaves out the other parts of a benchmark.

mod check;
mod compile;
mod durable;
mod gcwait;
mod machine;
mod measure;
mod noop;
mod options;
mod plans;

use options::Options;
use pylightnix::prelude::Result;

/// A benchmark: it prints its table.
type Benchmark = fn(&Options) -> Result<()>;

/// The benchmarks, by name.
const BENCHMARKS: &[(&str, Benchmark)] = &[
    ("noop", noop::run),
    ("compile", compile::run),
    ("durable", durable::run),
    ("gcwait", gcwait::run),
    ("check", check::run),
];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["child", shape, count, root] => noop::child(shape, count.parse()?, root.as_ref()),
        ["actor", rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
            match campaigns::actor::main(&rest) == std::process::ExitCode::SUCCESS {
                true => Ok(()),
                false => Err("the actor failed".into()),
            }
        }
        ["check-child", root] => check::child(root.as_ref()),
        ["durable-child", args @ ..] => durable::child(args),
        args => {
            let options = Options::parse(args)?;
            let names: Vec<&str> = options.names.iter().map(String::as_str).collect();
            if names.is_empty() || names == ["all"] {
                return BENCHMARKS.iter().try_for_each(|(_, run)| run(&options));
            }
            names.iter().try_for_each(|name| {
                match BENCHMARKS.iter().find(|(known, _)| known == name) {
                    Some((_, run)) => run(&options),
                    None => {
                        let known: Vec<_> = BENCHMARKS.iter().map(|(known, _)| *known).collect();
                        Err(format!(
                            "no benchmark `{name}`; there are: all, {}",
                            known.join(", ")
                        )
                        .into())
                    }
                }
            })
        }
    }
}
