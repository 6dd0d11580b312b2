//! The function of `main_with` takes the run, and no store.

use pylightnix::prelude::*;
use std::process::ExitCode;

#[derive(Config)]
struct Empty {}

#[stage]
fn empty(_b: &Build<Empty>) -> Result<()> {
    Ok(())
}

fn experiment(_store: &Store) -> Result<DRef<Empty>> {
    Ok(instantiate(Empty::new())?)
}

fn main() -> ExitCode {
    pylightnix_cli::main_with(experiment)
}
