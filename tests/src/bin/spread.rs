//! The program of `tests/src/spread.rs`.

use std::process::ExitCode;

// Not in the library: its stages would be known to each test program, beside stages of the same names.
#[path = "../spread.rs"]
mod spread;

fn main() -> ExitCode {
    spread::main()
}
