//! The program `pylightnix` with object stores, built as a binary of this package so that its tests find it.

use std::process::ExitCode;

fn main() -> ExitCode {
    pylightnix_cli::store_main()
}
