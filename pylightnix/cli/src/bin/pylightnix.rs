//! The program `pylightnix`: looks into any store and takes care of it, without the code of the experiments in it.

use std::process::ExitCode;

fn main() -> ExitCode {
    pylightnix_cli::store_main()
}
