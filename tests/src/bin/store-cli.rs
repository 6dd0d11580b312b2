//! The program `pylightnix`, built where the tests find it.

use std::process::ExitCode;

fn main() -> ExitCode {
    pylightnix_cli::store_main()
}
