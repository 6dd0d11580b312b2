//! The function of `target_with` takes the arguments and the run.

use pylightnix::prelude::*;
use std::process::ExitCode;

#[derive(Config)]
struct Empty {}

#[stage]
fn empty(_b: &Build<Empty>) -> Result<()> {
    Ok(())
}

fn main() -> ExitCode {
    pylightnix_cli::App::new()
        .target_with("empty", |_| Ok(instantiate(Empty::new())?))
        .main()
}
