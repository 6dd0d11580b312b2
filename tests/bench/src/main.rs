//! The cost of pylightnix compared with other programs: `cargo run --release -p bench -- all`, or some benchmarks by name.
//! `tests/bench/peers/install` installs the other programs.
//!
//! `--dir FOLDER` is the folder for stores, which should be on a real disk (by default the folder of this program); `--keep`
//! keeps them; `--csv FILE` appends every single time to a file; `--table FILE` writes the table; `--rounds N` sets the
//! number of measurements; `--only PART` runs one part of a benchmark.

mod best;
mod bulk;
mod carry;
mod change;
mod check;
mod cli;
mod cold;
mod compile;
mod contest;
mod footprint;
mod gcwait;
mod hit;
mod machine;
mod many;
mod measure;
mod noop;
mod options;
mod peers;
mod plans;
mod processes;
mod remotes;
mod schedule;
mod second;
mod slurm;
mod table;

use std::process::ExitCode;

use options::Options;
use pylightnix::prelude::Result;
use table::Table;

/// The work of a child process for a benchmark, with these arguments.
type Child = fn(&[&str]) -> Result<()>;

/// A benchmark.
struct Benchmark {
    name: &'static str,
    /// Runs the measurements and adds the rows.
    run: fn(&Options, &mut Table) -> Result<()>,
    /// See [`measure::child`].
    child: Option<Child>,
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "noop",
        run: noop::run,
        child: Some(noop::child),
    },
    Benchmark {
        name: "second",
        run: second::run,
        child: None,
    },
    Benchmark {
        name: "hit",
        run: hit::run,
        child: Some(hit::child),
    },
    Benchmark {
        name: "change",
        run: change::run,
        child: Some(change::child),
    },
    Benchmark {
        name: "schedule",
        run: schedule::run,
        child: None,
    },
    Benchmark {
        name: "processes",
        run: processes::run,
        child: Some(processes::child),
    },
    Benchmark {
        name: "slurm",
        run: slurm::run,
        child: Some(slurm::child),
    },
    Benchmark {
        name: "cold",
        run: cold::run,
        child: Some(cold::child),
    },
    Benchmark {
        name: "carry",
        run: carry::run,
        child: Some(carry::child),
    },
    Benchmark {
        name: "bulk",
        run: bulk::run,
        child: Some(bulk::child),
    },
    Benchmark {
        name: "best",
        run: best::run,
        child: Some(best::child),
    },
    Benchmark {
        name: "compile",
        run: compile::run,
        child: None,
    },
    Benchmark {
        name: "footprint",
        run: footprint::run,
        child: None,
    },
    Benchmark {
        name: "cli",
        run: cli::run,
        child: Some(cli::child),
    },
    Benchmark {
        name: "many",
        run: many::run,
        child: Some(many::child),
    },
    Benchmark {
        name: "gcwait",
        run: gcwait::run,
        child: None,
    },
    Benchmark {
        name: "remotes",
        run: remotes::run,
        child: Some(remotes::child),
    },
    Benchmark {
        name: "check",
        run: check::run,
        child: Some(check::child),
    },
];

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["actor", rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
            return Ok(campaigns::actor::main(&rest));
        }
        ["child", name, args @ ..] => match named(name)?.child {
            Some(child) => child(args)?,
            None => return Err(format!("`{name}` has no child").into()),
        },
        args => {
            let options = Options::parse(args)?;
            let all = options.names.is_empty() || options.names == ["all"];
            let chosen: Vec<&Benchmark> = match all {
                true => BENCHMARKS.iter().collect(),
                false => (options.names.iter().map(|name| named(name))).collect::<Result<_>>()?,
            };
            let mut table = Table::default();
            println!("{}\n", machine::facts(options.folder()?.path())?);
            for benchmark in chosen {
                (benchmark.run)(&options, &mut table)?;
                // Running all benchmarks takes most of an hour: save the results so far, in case it is interrupted.
                options.write(&table)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn named(name: &str) -> Result<&'static Benchmark> {
    let found = BENCHMARKS.iter().find(|benchmark| benchmark.name == name);
    found.ok_or_else(|| {
        let known: Vec<_> = BENCHMARKS.iter().map(|benchmark| benchmark.name).collect();
        format!(
            "no benchmark `{name}`; there are: all, {}",
            known.join(", ")
        )
        .into()
    })
}
