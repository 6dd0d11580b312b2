use pylightnix::prelude::*;

#[derive(Params)]
struct Settings {
    dry_run: bool,
    #[param(rename = "dry-run")]
    other: bool,
}

fn main() {}
