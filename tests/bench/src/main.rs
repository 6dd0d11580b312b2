//! What pylightnix costs, measured on whole processes: `cargo run --release -p bench -- all`, or one benchmark by name.

mod compile;
mod measure;
mod noop;
mod plans;

use pylightnix::prelude::Result;

/// A benchmark: it prints its table.
type Benchmark = fn() -> Result<()>;

/// The benchmarks, by name.
const BENCHMARKS: &[(&str, Benchmark)] = &[("noop", noop::run), ("compile", compile::run)];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["child", shape, count, root] => noop::child(shape, count.parse()?, root.as_ref()),
        [] | ["all"] => BENCHMARKS.iter().try_for_each(|(_, run)| run()),
        names => names.iter().try_for_each(|name| {
            match BENCHMARKS.iter().find(|(known, _)| known == name) {
                Some((_, run)) => run(),
                None => {
                    let known: Vec<_> = BENCHMARKS.iter().map(|(known, _)| *known).collect();
                    Err(format!(
                        "no benchmark `{name}`; there are: all, {}",
                        known.join(", ")
                    )
                    .into())
                }
            }
        }),
    }
}
