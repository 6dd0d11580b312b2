//! Measures how much of packages their functions reach, and how long that takes.
//!
//! ```sh
//! cargo run -p pylightnix-reach --example reach -- ~/.cargo/registry/src/*/*
//! ```
//!
//! Each free function is taken for a stage, up to 300 of a package; with `--named=fit,predict` all functions and methods of
//! these names. A line says how many items the package has, which share
//! of them the median function and the widest one reach, and the milliseconds of reading and of following.

#![allow(clippy::print_stdout, reason = "it is a program that prints")]

use std::path::Path;
use std::time::{Duration, Instant};

use pylightnix_reach::{Sources, Stage};

const LARGEST_SAMPLE: usize = 300;

fn main() {
    println!(
        "{:40} items functions median widest   read follow longest",
        "package"
    );
    let (options, folders): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|it| it.starts_with("--named="));
    let names: Vec<&str> = options.iter().flat_map(|it| it[8..].split(',')).collect();
    for folder in folders {
        if let Some(line) = measure(Path::new(&folder), &names) {
            println!("{line}");
        }
    }
}

fn measure(folder: &Path, names: &[&str]) -> Option<String> {
    let start = Instant::now();
    let mut sources = Sources::around(&folder.join("Cargo.toml"), |_| None)?;
    let is_taken = |name: &str| match name.rsplit_once("::") {
        Some((_, method)) => names.contains(&method),
        None => names.is_empty() || names.contains(&name),
    };
    let mut functions = sources.functions(false);
    let read = start.elapsed();
    functions.retain(|function| is_taken(&function.name));
    let step = functions.len().div_ceil(LARGEST_SAMPLE).max(1);
    let sample = functions.iter().step_by(step).map(|it| it.stage);
    let sample: Vec<Stage> = sample.collect();
    let all = sources.items(functions.first()?.stage);
    let mut shares = Vec::new();
    let mut longest = Duration::ZERO;
    let start = Instant::now();
    for stage in sample {
        let start = Instant::now();
        let reached = sources.reach(stage, &[]);
        longest = longest.max(start.elapsed());
        let items = reached.items.iter().filter(|item| !item.place.is_empty());
        shares.push(items.count());
    }
    let follow = start.elapsed();
    shares.sort_unstable();
    let share = |count: usize| 100.0 * count as f64 / all as f64;
    let median = share(shares.get(shares.len() / 2).copied()?);
    let widest = share(shares.last().copied()?);
    let name = folder.file_name()?.to_string_lossy().into_owned();
    let functions = shares.len();
    let [read, follow, longest] = [read, follow, longest].map(|it| it.as_millis());
    Some(format!(
        "{name:40} {all:5} {functions:9} {median:5.1}% {widest:5.1}% {read:6} {follow:6} {longest:7}"
    ))
}
