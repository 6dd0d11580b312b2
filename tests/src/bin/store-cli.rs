//! The program `pylightnix`, built as a binary of this package so that tests find it.

use std::process::ExitCode;

fn main() -> ExitCode {
    pylightnix_cli::store_main()
}
