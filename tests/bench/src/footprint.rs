//! The dependencies of the library: their number, and the time to build all of them.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use pylightnix::prelude::Result;

use crate::compile::{cargo, package};
use crate::measure::{median, time};
use crate::options::Options;
use crate::table::{Row, Table};

/// The number of builds, which take long.
const ROUNDS: usize = 3;

/// Counts the crates and builds them, in a package that depends on nothing but the library.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let package = package(folder.path(), "user", "pub use pylightnix;\n", &[])?;
    let cargo = |words: &[&str]| -> Command {
        let mut cargo = cargo(&package);
        cargo.args(words);
        cargo
    };
    let mut tree = cargo(&["tree", "--edges", "normal,build", "--prefix", "none"]);
    let tree = String::from_utf8(tree.output()?.stdout)?;
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let own = ["user", "pylightnix", "pylightnix-macros"];
    let others: BTreeSet<_> = names.filter(|name| !own.contains(name)).collect();
    let row = Row::fact(
        "crates that the default build brings along",
        others.len().to_string(),
    );
    table.add(row);
    // Each build takes most of a minute.
    let rounds = options.rounds(ROUNDS).min(ROUNDS);
    let ours = || -> Result<Duration> {
        let target = package.join("target");
        if target.exists() {
            std::fs::remove_dir_all(target)?;
        }
        time(&mut cargo(&["build", "--release", "--quiet"]))
    };
    let times = (0..rounds).map(|_| ours()).collect::<Result<Vec<_>>>()?;
    options.record("footprint", "cold", "ours", &times)?;
    let figure = crate::table::time(median(times).as_secs_f64());
    table.add(Row::fact("cold release build of the default crate", figure));
    Ok(())
}
