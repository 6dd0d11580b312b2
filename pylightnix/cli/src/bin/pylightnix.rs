//! The program `pylightnix`: inspects and maintains any store, without the code of its experiments.

use std::process::ExitCode;

fn main() -> ExitCode {
    pylightnix_cli::store_main()
}
