//! The function of `main_with` takes the run.

use pylightnix::prelude::*;
use std::process::ExitCode;

#[derive(Config)]
struct Empty {}

#[stage]
fn empty(_b: &Build<Empty>) -> Result<()> {
    Ok(())
}

fn main() -> ExitCode {
    pylightnix_cli::main_with(|| instantiate(Empty::new()))
}
