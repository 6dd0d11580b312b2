//! How long other processes wait while a store with 10,000 realizations is collected: the campaign `wait`, which also checks
//! the result.

use pylightnix::prelude::Result;

use crate::options::Options;
use crate::table::Table;

/// Runs the campaign.
pub(crate) fn run(_: &Options, _: &mut Table) -> Result<()> {
    println!("gc, and another process beside it\n");
    let figures = campaigns::run(
        "wait",
        &campaigns::Options {
            count: None,
            seed: 1,
            only: None,
            program: std::env::current_exe()?,
        },
    )?;
    match figures.violations.as_slice() {
        [] => Ok(()),
        violations => Err(violations.join("\n").into()),
    }
}
