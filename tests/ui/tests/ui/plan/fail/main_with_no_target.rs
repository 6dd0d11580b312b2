//! What the function of `main_with` returns is a target.

use pylightnix::prelude::*;
use std::process::ExitCode;

fn main() -> ExitCode {
    pylightnix_cli::main_with(|_| -> Result<u64> { Ok(3) })
}
