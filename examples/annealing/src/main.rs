//! The quick start of the Pylightnix paper: an annealing in two stores, and the best run of both.

mod experiment;
mod function;
mod minimise;
mod picture;

use std::path::{Path, PathBuf};

use clap::Parser;
use pylightnix::plan::Target;
use pylightnix::prelude::*;

use experiment::{Anneal, annealing, energy, experiment};

/// Minimises the function of the Pylightnix paper by simulated annealing, once in each of two stores, copies the first
/// run to the second store, and draws the best one.
#[derive(Parser)]
struct Options {
    /// The number of iterations of the annealing; the paper uses 500.
    #[arg(long, default_value_t = 500)]
    maxiter: u64,
    /// The number of stages that may run at once; by default, the number of processors.
    #[arg(long)]
    jobs: Option<usize>,
    /// Run every stage again, even if it has results.
    #[arg(long)]
    force: bool,
    /// The folder in which the two stores and the archive are.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

// ANCHOR: main
fn main() -> Result<()> {
    let options = Options::parse();
    let store_a = Store::open(options.folder.join("_storageA"))?;
    let store_b = Store::open(options.folder.join("_storageB"))?;
    let archive = options.folder.join("_archive.zip");
    let anneal = annealing(options.maxiter)?;

    // The same experiment in both stores: its two runs differ.
    let plot = experiment(anneal.clone())?;
    let rref = options.realize(&store_a, &plot, options.force)?;
    println!("{rref}");
    options.realize(&store_b, &plot, options.force)?;

    // The first run goes to the second store.
    list("before", &store_b)?;
    store_a.pack([&rref], &archive)?;
    store_b.unpack(&archive)?;
    list("after", &store_b)?;

    // The best of both runs.
    let runs = options.realize(
        &store_b,
        &anneal.clone().with_matcher(matcher::all()),
        false,
    )?;
    let plot = experiment(anneal.with_matcher(matcher::lowest(energy)))?;
    let rref = options.realize(&store_b, &plot, false)?;
    tell_choice(&store_a, &runs, &rref.ref_anneal)?;

    println!("{rref}");
    println!("{}", rref.out.path().display());
    Ok(())
}
// ANCHOR_END: main

impl Options {
    // ANCHOR: realize
    /// Realizes a target, and prints the totals.
    fn realize<T: Target>(&self, store: &Store, target: &T, force: bool) -> Result<T::Output> {
        let mut run = Realize::new(store);
        if let Some(jobs) = self.jobs {
            run = run.jobs(jobs);
        }
        if force {
            run = run.force_all();
        }
        let (output, report) = run.run_reporting(target)?;
        eprintln!("{}: {report}", name(store.root()));
        Ok(output)
    }
    // ANCHOR_END: realize
}

/// Prints all references of a store, one per line.
fn list(when: &str, store: &Store) -> Result<()> {
    println!("{} {when} unpacking:", name(store.root()));
    for rref in store.rrefs()? {
        println!("{rref}");
    }
    Ok(())
}

/// Prints which store the chosen run is from, and its energy among all energies.
fn tell_choice(store_a: &Store, runs: &[RRef<Anneal>], best: &RRef<Anneal>) -> Result<()> {
    let in_a = store_a.rrefs()?;
    let store = |run: &RRef<Anneal>| {
        if in_a.contains(run.id()) {
            "_storageA"
        } else {
            "_storageB"
        }
    };
    let energies: Result<Vec<_>> = runs
        .iter()
        .map(|run| Ok(format!("{} ({})", energy(run)?, store(run))))
        .collect();
    println!(
        "picked the run of {}: {} out of {}",
        store(best),
        energy(best)?,
        energies?.join(", ")
    );
    Ok(())
}

/// Returns the last part of a store's path.
fn name(root: &Path) -> String {
    root.file_name()
        .unwrap_or(root.as_os_str())
        .to_string_lossy()
        .into_owned()
}
