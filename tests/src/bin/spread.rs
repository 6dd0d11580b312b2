//! The program [`tests::spread`].

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::spread::main()
}
